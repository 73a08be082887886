"""The names of what requests start with, as the nodes of a cluster name it (`wire.prefix`).

A name is made from the request as it goes upstream, so the system prompt and the tools are converted for it; a session
sends the same ones with every request, so the last few names are remembered.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from anyclaude.wire.json import encode
from anyclaude.wire.prefix import prefix_hash_of, system_text_of

_REMEMBERED: Final = 16
_START: Final = ("system", "tools", "tool_choice", "thinking")
_QUESTION: Final = [{"role": "user", "content": "hi"}]


@dataclass(frozen=True, slots=True)
class Prefix:
    """system, tools: as they go upstream. size: bytes of both.

    switches: of the chat template, which are no part of the name; some models are told first of all whether to think.
    """

    name: str
    system: str
    tools: tuple[Any, ...]
    size: int
    switches: Mapping[str, Any] = field(default_factory=dict)


class PrefixNames:
    """convert: from a Messages request to what goes upstream."""

    def __init__(self, convert: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> None:
        self._convert = convert
        self._known: deque[tuple[bytes, Prefix]] = deque(maxlen=_REMEMBERED)

    def of(self, request: Mapping[str, Any]) -> Prefix:
        """What a Messages request starts with."""
        start = {name: request[name] for name in _START if name in request}
        asked = encode(start)
        known = next((prefix for key, prefix in self._known if key == asked), None)
        if known is None:
            known = self._made(start, len(asked))
            self._known.appendleft((asked, known))
        return known

    def named(self, name: str) -> Prefix | None:
        """The one of that name, if it was met lately."""
        return next((prefix for _, prefix in self._known if prefix.name == name), None)

    def _made(self, start: Mapping[str, Any], size: int) -> Prefix:
        body = self._convert({"model": "any", "max_tokens": 1, "messages": _QUESTION, **start})
        tools = body.get("tools") if body.get("tool_choice") != "none" else None
        system, switches = system_text_of(body["messages"]), body.get("chat_template_kwargs") or {}
        return Prefix(prefix_hash_of(body), system, tuple(tools or ()), size, switches)
