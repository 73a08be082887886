"""A session to take away: as Markdown to be read, and as JSON for programs (docs/debugging/traces.md).

What people, models and tools said stands in fences in the Markdown, each longer than any run of backticks in it: so
nothing that was said becomes a heading, a link or an image that a viewer fetches.
"""

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import Any, Final

from anyclaude.trace.conversation import (
    Block,
    Call,
    Document,
    Failure,
    Image,
    Link,
    Other,
    Result,
    Said,
    Text,
    Thinking,
)
from anyclaude.trace.parts import printable, word
from anyclaude.trace.slowness import seconds
from anyclaude.trace.threads import Asked, Thread, threads
from anyclaude.trace.transcript import facts_of

FORMAT: Final = "anyclaude.session"
VERSION: Final = 1

MOST_OF_RESULT: Final = 2000
"""Characters of a tool's result that the Markdown shows."""

_WIDTH: Final = 120
_MARKS: Final = re.compile(r"([\\`*_\[\]<>|!&~#])")
_HEADS: Final = ("time", "model", "prompt", "cached", "written", "first token", "whole", "cost", "ended", "why so long")


def markdown(records: Iterable[Mapping[str, Any]], most_of_result: int | None = MOST_OF_RESULT) -> str:
    """The records of a session, in the order of their time. most_of_result: None for all of it. Never raises."""
    found = threads(records)
    lines = [f"# {_safe(_title(found))}", ""]
    for thread in found:
        lines += [f"## {_safe(_name(thread))}", ""]
        lines += [line for said in thread.said for line in _message(said, most_of_result)]
        lines += [*_table(thread.asked), ""]
    return "\n".join(lines)


def as_json(records: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The same as a tree of JSON, nothing shortened."""
    return {"format": FORMAT, "version": VERSION, "threads": [_thread(thread) for thread in threads(records)]}


def _thread(thread: Thread) -> dict[str, Any]:
    return {
        "session": thread.session,
        "agent": thread.agent,
        "role": thread.role,
        "requests": [_request(asked) for asked in thread.asked],
        "conversation": [_tree(said) for said in thread.said],
    }


def _request(asked: Asked) -> dict[str, Any]:
    slow = asked.slow
    changed = slow.change and {"what": slow.change.what, "block": slow.change.parting.block}
    spans = [{"name": span.name, "began": span.began, "ended": span.ended} for span in slow.spans]
    why = {"cause": slow.cause, "verdict": slow.verdict, "changed": changed}
    return {**_members(asked.turn), "spans_ms": spans, "slow": why}


def _tree(value: Any) -> Any:
    """Blocks say what they are, in one word."""
    if isinstance(value, tuple):
        return [_tree(each) for each in value]
    if isinstance(value, Said):
        return _members(value)
    return {"type": type(value).__name__.lower(), **_members(value)} if is_dataclass(value) else value


def _members(value: Any) -> dict[str, Any]:
    return {each.name: _tree(getattr(value, each.name)) for each in fields(value)}


def _title(found: list[Thread]) -> str:
    openings = (asked.turn.opening for thread in found for asked in thread.asked)
    return next(filter(None, openings), "A session")


def _name(thread: Thread) -> str:
    named = {"main": "Conversation", "subagent": f"Subagent {thread.agent}"}
    return named.get(thread.role, f"Beside it: {thread.role}")


def _message(said: Said, most: int | None) -> Iterator[str]:
    yield f"### {_safe(said.who.capitalize())}"
    yield ""
    for block in said.blocks:
        yield from _block(block, most)


def _block(block: Block, most: int | None) -> Iterator[str]:
    match block:
        case Text(text=text, reminder=True):
            yield from (f"*Reminder of Claude Code's, {len(text):,} characters*", "")
        case Text():
            yield from _fenced(_wrapped(block.text))
            yield from (line for link in block.cited for line in _block(link, most))
        case Thinking():
            yield from _titled("Thinks", _wrapped(block.text) or "(hidden)")
        case Call():
            yield from _titled(f"Calls {block.name}", facts_of(block.arguments))
            yield from _block(block.result, most) if block.result else ()
        case Result():
            yield from _titled("Result, an error" if block.error else "Result", _cut(_result(block), most))
        case Failure():
            yield from _titled("No more came", _wrapped(block.text))
        case _:
            yield from _titled(*_held(block))


def _held(block: Image | Document | Link | Other) -> tuple[str, str]:
    match block:
        case Image():
            return (
                f"Image, {block.media_type or 'of no known kind'}",
                block.url or f"{len(block.data):,} characters of base64",
            )
        case Document():
            return f"Document {block.title}", block.text or block.url or f"{len(block.data):,} characters of base64"
        case Link():
            return f"From {block.title}", f"{block.url}\n{block.text}".strip()
        case Other():
            return block.kind, block.json


def _result(result: Result) -> str:
    return "\n".join(block.text if isinstance(block, Text) else _line(block) for block in result.blocks)


def _line(block: Block) -> str:
    return ": ".join(_held(block)) if isinstance(block, Image | Document | Link | Other) else ""


def _titled(title: str, text: str) -> Iterator[str]:
    yield from (f"**{_safe(title)}**", "")
    yield from _fenced(text)


def _fenced(text: str) -> Iterator[str]:
    """In a fence that the text cannot close."""
    shown = printable(text).rstrip("\n")
    longest = max(map(len, re.findall("`+", shown)), default=0)
    fence = "`" * max(3, longest + 1)
    yield from (f"{fence}text", shown, fence, "")


def _wrapped(text: str) -> str:
    """Viewers do not break the lines of a fence."""
    return "\n".join(_broken(line) if len(line) > _WIDTH else line for line in text.split("\n"))


def _broken(line: str) -> str:
    pieces = textwrap.wrap(line, _WIDTH, break_long_words=False, break_on_hyphens=False, expand_tabs=False)
    return "\n".join(pieces) or line


def _cut(text: str, most: int | None) -> str:
    if most is None or len(text) <= most:
        return text
    return f"{text[:most]}\n[{len(text) - most:,} characters more]"


def _table(asked: Iterable[Asked]) -> Iterator[str]:
    yield _row(_HEADS)
    yield "|" + "---|" * len(_HEADS)
    for each in asked:
        yield _row(_cells(each))


def _cells(asked: Asked) -> Iterator[str]:
    turn = asked.turn
    yield datetime.fromtimestamp(turn.at, UTC).isoformat(" ", "seconds")[:19]
    yield ":".join(filter(None, (turn.backend, turn.model)))
    yield from ("" if count is None else f"{count:,}" for count in (turn.prompt_tokens, turn.cached_tokens))
    yield "" if turn.output_tokens is None else f"{turn.output_tokens:,}"
    yield from ("" if ms is None else seconds(ms) for ms in (turn.first_token_ms, turn.end_ms))
    yield "" if turn.cost is None else f"${turn.cost:.4f}"
    yield turn.stop or turn.outcome
    yield asked.slow.verdict


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(map(_safe, cells)) + " |"


def _safe(text: str) -> str:
    """In a line, nothing of it is taken for a mark."""
    return _MARKS.sub(r"\\\1", word(text))
