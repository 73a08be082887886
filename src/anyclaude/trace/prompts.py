"""A request body as the blocks of its prompt, in the order in which a model reads them: system, tools, turns.

It takes Anthropic's shape and OpenAI's, as traces hold both. Breakpoints of the prompt cache are no part of a prompt.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from anyclaude.trace.parts import compact

_NO_TEXT: Final = ("cache_control",)


@dataclass(frozen=True, slots=True)
class Block:
    """label: where it stands, as `tool Read` or `turn 3 block 1`. text: what a model reads, structures as JSON."""

    label: str
    text: str


def blocks_of(body: object) -> list[Block]:
    """The blocks of a body; none for what is no request. Never raises."""
    if not isinstance(body, Mapping):
        return []
    return [*_system(body.get("system")), *_tools(body.get("tools")), *_turns(body.get("messages"))]


def _system(system: object) -> Iterator[Block]:
    for number, text in enumerate(_texts(system), 1):
        yield Block(f"system block {number}", text)


def _tools(tools: object) -> Iterator[Block]:
    for number, tool in enumerate(tools if isinstance(tools, list) else [], 1):
        yield Block(f"tool {tool_name(tool) or number}", _text(tool))


def _turns(messages: object) -> Iterator[Block]:
    for number, message in enumerate(messages if isinstance(messages, list) else [], 1):
        if not isinstance(message, Mapping):
            continue
        where = f"turn {number} ({message.get('role', '?')}) block"
        rest = {key: value for key, value in message.items() if key not in ("role", "content", *_NO_TEXT)}
        texts = [*_texts(message.get("content")), *([_text(rest)] if rest else [])]
        for index, text in enumerate(texts, 1):
            yield Block(f"{where} {index}", text)


def tool_name(tool: object) -> str | None:
    """The name of a tool definition in either shape."""
    if not isinstance(tool, Mapping):
        return None
    function = tool.get("function")
    name = tool.get("name") or (function.get("name") if isinstance(function, Mapping) else None)
    return name if isinstance(name, str) else None


def _texts(content: object) -> list[str]:
    if isinstance(content, list):
        return [_text(block) for block in content]
    return [] if content is None else [_text(content)]


def _text(block: object) -> str:
    match block:
        case str():
            return block
        case {"type": "text", "text": str(text)}:
            return text
        case Mapping():
            kept: dict[str, Any] = {key: value for key, value in block.items() if key not in _NO_TEXT}
            return compact(kept)
    return compact(block)
