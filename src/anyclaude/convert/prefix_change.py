"""What a prompt has in common with the one before it, and what broke it where they part.

A server computes a prompt anew from the first token that differs, so a prompt that no longer begins with the last one
costs its whole rest. Chat templates write the tools before the conversation, or into the system message: a change there
costs everything. What can change between two turns of one agent was observed with Claude Code 2.1.197.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from anyclaude.wire.json import decode_lenient, encode, encode_with
from anyclaude.wire.prefix import shared_prefix

Cause = Literal[
    "tool added",
    "tool removed",
    "tools reordered",
    "tool changed",
    "attribution",
    "git status",
    "date",
    "environment",
    "model name",
    "system prompt",
    "history shortened",
    "role",
    "white space",
    "tool arguments",
    "tool result",
    "thinking",
    "image",
    "text",
]

_IN_A_LINE: Final[Sequence[tuple[Cause, re.Pattern[str]]]] = (
    ("attribution", re.compile(r"x-anthropic-billing-header")),
    ("git status", re.compile(r"\bgit ?status\b|\bbranch\b|\bcommits?\b", re.IGNORECASE)),
    ("date", re.compile(r"\bdate\b|\b\d{4}-\d\d-\d\d\b", re.IGNORECASE)),
    ("model name", re.compile(r"\bmodel\b", re.IGNORECASE)),
    ("environment", re.compile(r"\benv(ironment)?\b|\bplatform\b|\bOS version\b|director(y|ies)\b", re.IGNORECASE)),
)
"""What a line is about, by its words and those of the heading above it."""

_HEADING: Final = re.compile(r"#{1,6} +\S|<\w+>|\w+: *$|gitStatus:")


@dataclass(frozen=True, slots=True)
class Prompt:
    """A chat request as a template sees it: the JSON of its tools and of its messages."""

    tools: bytes
    messages: bytes

    @property
    def size(self) -> int:
        return len(self.tools) + len(self.messages)

    def encoded(self, body: Mapping[str, Any]) -> bytes:
        """The body that this is the prompt of."""
        return encode_with(body, {"messages": self.messages} | ({"tools": self.tools} if body.get("tools") else {}))


@dataclass(frozen=True, slots=True)
class PrefixChange:
    """kept: how many of the `before` bytes of the last prompt this one begins with.

    cause, block: what broke it, and where ("message 3 (user)"); None where all of the last prompt is kept.
    """

    kept: int
    before: int
    cause: Cause | None = None
    block: str | None = None

    @property
    def whole(self) -> bool:
        return self.cause is None


def prompt_of(body: Mapping[str, Any]) -> Prompt:
    """Of the body of a Chat Completions request."""
    return Prompt(encode(body.get("tools") or []), encode(body["messages"]))


def prefix_change(before: Prompt, now: Prompt) -> PrefixChange:
    """What `now` keeps of `before`, the last prompt of the same agent."""
    if before.tools != now.tools:
        return PrefixChange(shared_prefix(before.tools, now.tools), before.size, *_tools_changed(before, now))
    beginning = before.messages[:-1]  # without the bracket that closes the list
    difference = None if now.messages.startswith(beginning) else _messages_changed(before, now)
    if difference is None:
        return PrefixChange(before.size, before.size)
    return PrefixChange(len(now.tools) + shared_prefix(beginning, now.messages), before.size, *difference)


Difference = tuple[Cause, str]


def _tools_changed(before: Prompt, now: Prompt) -> Difference:
    old, new = _by_name(before.tools), _by_name(now.tools)
    added, removed = [name for name in new if name not in old], [name for name in old if name not in new]
    if added or removed:
        return ("tool added", _listed(added)) if added else ("tool removed", _listed(removed))
    changed = [name for name in new if new[name] != old[name]]
    return ("tool changed", _listed(changed)) if changed else ("tools reordered", "tools")


def _by_name(tools: bytes) -> dict[str, Any]:
    return {str(tool.get("function", {}).get("name")): tool for tool in decode_lenient(tools) or ()}


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return f"tools: {shown}, and {len(names) - 3} more" if len(names) > 3 else f"tools: {shown}"


def _messages_changed(before: Prompt, now: Prompt) -> Difference | None:
    """None where the last message has only become longer."""
    old, new = decode_lenient(before.messages) or [], decode_lenient(now.messages) or []
    at = next(
        (i for i, (one, other) in enumerate(zip(old, new, strict=False)) if one != other), min(len(old), len(new))
    )
    if at >= len(new):
        return "history shortened", f"after message {len(new)} of {len(old)}"
    if at == len(old) - 1 and _has_grown(old[at], new[at]):
        return None
    block = f"message {at} ({new[at].get('role')})"
    cause = _message_changed(old[at], new[at])
    if cause in ("text", "role") and len(new) < len(old):
        cause = "history shortened"
    return cause, block


def _has_grown(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    one, other = old.get("content"), new.get("content")
    alike = {**old, "content": other} == new
    return alike and isinstance(one, str) and isinstance(other, str) and other.startswith(one)


def _message_changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> Cause:
    role = new.get("role")
    if old.get("role") != role:
        return "role"
    if old.get("tool_calls") != new.get("tool_calls"):
        return "tool arguments"
    one, other = old.get("content"), new.get("content")
    if one == other:
        return "thinking"
    if _images(one) != _images(other):
        return "image"
    return _text_changed(_text(one), _text(other), str(role))


def _text_changed(one: str, other: str, role: str) -> Cause:
    if one.split() == other.split():
        return "white space"
    if role == "tool":
        return "tool result"
    line = _first_difference(one, other)
    about = next((cause for cause, pattern in _IN_A_LINE if pattern.search(line)), None)
    if role == "system":
        return about or "system prompt"
    return "date" if about == "date" else "text"


def _first_difference(one: str, other: str) -> str:
    """The first line that differs, as it is now, behind the heading that it stands under."""
    heading = ""
    old, new = one.splitlines(), other.splitlines()
    for number, line in enumerate(new):
        if number >= len(old) or line != old[number]:
            return f"{heading}\n{line}"
        if _HEADING.match(line):
            heading = line
    return heading + "\n" + "\n".join(old[len(new) : len(new) + 1])


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else ()
    return "\n".join(str(part["text"]) for part in parts if isinstance(part, dict) and part.get("type") == "text")


def _images(content: object) -> list[Any]:
    return [part for part in content if part.get("type") == "image_url"] if isinstance(content, list) else []
