"""A Messages request -> the body of a Chat Completions request.

Pure, and blind to servers: what differs between them is in the `Profile`. The request has passed
`validate_request`; what it holds beyond that is taken where it fits and ignored where it does not, since
Claude Code sends new fields and block types every month. The same history gives the same bytes in every
request, whatever `cache_control` marks or one-block lists come and go around it.
"""

from collections.abc import Mapping
from typing import Any

from anyclaude.convert.breakpoints import with_breakpoints
from anyclaude.convert.content import system_text
from anyclaude.convert.deferred import with_definitions
from anyclaude.convert.options import OPTIONAL, format_fields, sampling_fields, thinking_fields
from anyclaude.convert.profile import Profile
from anyclaude.convert.tools import tool_fields
from anyclaude.convert.turns import chat_messages


def convert_request(request: Mapping[str, Any], profile: Profile, model: str) -> dict[str, Any]:
    """The body to send for a valid Messages request; `model` is the upstream's name for it.

    Always a stream with usage: a server that answers in one piece does not notice that the client left
    (llama.cpp computes on to the end). Tool schemas are shared with `request`, nothing in it is changed.
    """
    request = with_definitions(request) if profile.deferred_tools else request
    tools = tool_fields(request, profile)
    body: dict[str, Any] = {"model": model, "messages": _messages(request, profile, model)}
    body |= tools
    body |= sampling_fields(request, profile)
    body |= thinking_fields(request, profile)
    body |= format_fields(request, profile, with_tools="tools" in tools)
    body |= {"stream": True, "stream_options": {"include_usage": True}}
    return _without_refused(_with_constants(_without_unlisted(body, profile), profile.constants), profile)


def _messages(request: Mapping[str, Any], profile: Profile, model: str) -> list[dict[str, Any]]:
    system = system_text(request.get("system"))
    first = [{"role": "system", "content": system}] if system else []
    return with_breakpoints(first + chat_messages(request["messages"], profile, model), profile.cache_breakpoints)


def _without_unlisted(body: dict[str, Any], profile: Profile) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in OPTIONAL or profile.takes(name)}


def _without_refused(body: dict[str, Any], profile: Profile) -> dict[str, Any]:
    """Constants too: a server may refuse one that most of its kind take."""
    if not profile.refused:
        return body
    return {name: value for name, value in body.items() if name not in profile.refused}


def _with_constants(body: dict[str, Any], constants: Mapping[str, Any]) -> dict[str, Any]:
    """Constants win, except inside `chat_template_kwargs`, where the thinking switch of this request does."""
    switch = body.get("chat_template_kwargs", {})
    body |= constants
    if switch:
        body["chat_template_kwargs"] = {**constants.get("chat_template_kwargs", {}), **switch}
    return body
