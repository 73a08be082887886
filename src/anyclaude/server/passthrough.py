"""Handing on: the way of a request to Claude itself, and of its answer back, byte for byte."""

from typing import Any

from aiohttp import web

from anyclaude.backends.base import Caller
from anyclaude.backends.router import Plan, Router


async def pass_through(
    request: web.Request, router: Router, plan: Plan, body: dict[str, Any], caller: Caller
) -> web.StreamResponse | None:
    """Answer with what Claude answers, as it comes. None when it failed and others are left to be asked."""
    raise NotImplementedError


async def count_directly(
    request: web.Request, router: Router, plan: Plan, body: dict[str, Any], caller: Caller
) -> web.StreamResponse:
    """POST /v1/messages/count_tokens, answered by Claude."""
    raise NotImplementedError
