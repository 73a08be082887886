"""The proxy in claude mode before an upstream that plays Claude, a client for it, and a recorder that keeps all."""

import io
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from anyclaude.backends.base import Backend
from anyclaude.backends.claude import ClaudeBackend
from anyclaude.backends.router import Router
from anyclaude.config.model import Deadlines
from anyclaude.config.routes import Routes, Target
from anyclaude.config.upstreams import Claude
from anyclaude.server.serve import serving
from anyclaude.trace.record import Recorder
from tests.support.anthropic_upstream import AnthropicUpstream, Play, anthropic_upstream
from tests.support.clients import TOKEN

OURS = {"x-anyclaude-token": TOKEN, "Content-Type": "application/json"}
LOGIN = {"Authorization": "Bearer sk-ant-oat01-login"}
BODY = b'{"model":"claude-opus-4-8",  "max_tokens":5,"not_yet_known":{"b":1,"a":1.0},"messages":[],"stream":true}'


@asynccontextmanager
async def claude_mode(
    play: Play, *, reads_bodies: bool = True, **how: Any
) -> AsyncIterator[tuple[str, AnthropicUpstream]]:
    """The URL of a proxy in front of a Claude that plays `play`."""
    async with anthropic_upstream(play, reads_bodies=reads_bodies) as upstream:
        backends: dict[Any, Backend] = {"claude": ClaudeBackend(Claude(url=upstream.url), Deadlines())}
        router = Router(backends, Routes(Target("claude")))
        async with serving(router, TOKEN, **how) as address:
            yield address.url, upstream


async def ask(
    url: str, headers: Iterable[tuple[str, str]], body: bytes = BODY, method: str = "POST", path: str = "/v1/messages"
) -> tuple[aiohttp.ClientResponse, bytes]:
    async with (
        aiohttp.ClientSession(auto_decompress=False) as session,
        session.request(method, url + path, data=io.BytesIO(body) if body else None, headers=list(headers)) as response,
    ):
        return response, await response.read()


class Kept:
    """Recorders that keep what they are told."""

    def __init__(self) -> None:
        self.events: list[Mapping[str, Any]] = []
        self.notes: list[tuple[str, Mapping[str, Any]]] = []
        self.ends: list[tuple[int, str]] = []
        self.errors: list[str] = []
        self.moments: list[str] = []
        self.bodies: list[Mapping[str, Any] | bytes] = []
        self.wholes: list[Mapping[str, Any]] = []

    lost = 0

    def begin(self, request_id: str, path: str, headers: Mapping[str, str], body: Mapping[str, Any]) -> Recorder:
        return self

    def note(self, kind: str, **facts: Any) -> None:
        self.notes.append((kind, facts))

    def sent(self, body: Mapping[str, Any] | bytes) -> None:
        self.bodies.append(body)

    def mark(self, moment: str) -> None:
        self.moments.append(moment)

    def feed(self, events: Iterable[Mapping[str, Any]]) -> None:
        self.events += events

    def whole(self, body: Mapping[str, Any]) -> None:
        self.wholes.append(body)

    def finish(self, status: int, outcome: str, error: str | None = None) -> None:
        self.ends.append((status, outcome))
        self.errors += [error] if error else []
