"""What differs between two system prompts with their tools, as between two versions of Claude Code.

System prompts are compared by their sections, tools by their names, so that a paragraph that moved or a tool that came
does not make everything behind it differ. Diffs are bounded: this is to be read.
"""

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Literal

from anyclaude.prompt.sections import split
from anyclaude.prompt.stable import moved
from anyclaude.trace.parts import mapping, mappings, pretty, text, word
from anyclaude.trace.prompts import blocks_of, tool_name
from anyclaude.wire.prefix import system_text_of

MOST_LINES: Final = 200
_READ: Final = 5000  # lines of one part
_WIDTH: Final = 1000
_TOLD_APART: Final = ("name", "description", "input_schema", "parameters", "cache_control")
_BILLING: Final = "x-anthropic-billing-header"

Part = Literal["system", "tool"]
How = Literal["came", "went", "changed"]


@dataclass(frozen=True, slots=True)
class Changed:
    """name: of a tool, or the headings above a section. before, after: bytes. lines: a unified diff, cut: where it is
    longer than that.
    """

    part: Part
    name: str
    how: How
    before: int
    after: int
    lines: tuple[str, ...]
    cut: bool


def versions(first: object, second: object, most_lines: int = MOST_LINES, with_session: bool = True) -> list[Changed]:
    """How the system prompt and the tools of two request bodies differ, each in either shape. Never raises.

    most_lines: of each diff. with_session: also what belongs to one session, such as its folder and git status.
    """
    old, new = _parts(first, with_session), _parts(second, with_session)
    return [
        _changed(part, old.get(part), new.get(part), most_lines)
        for part in {**old, **new}
        if old.get(part) != new.get(part)
    ]


def _parts(body: object, with_session: bool) -> dict[tuple[Part, str], str]:
    system = _system(mapping(body))
    found: dict[tuple[Part, str], str] = {}
    times: Counter[str] = Counter()
    for name, words in _sections(system if with_session else _standing(system)):
        times[name] += 1
        found["system", f"{name} ({times[name]})" if times[name] > 1 else name] = words
    for tool in mappings(mapping(body).get("tools")):
        found["tool", word(tool_name(tool)) or "?"] = _tool(tool)
    return found


def _system(body: Mapping[str, Any]) -> list[str]:
    if body.get("system") is not None:
        return [block.text for block in blocks_of({"system": body["system"]})]
    leading = system_text_of(mappings(body.get("messages")))
    return [leading] if leading else []


def _standing(system: Sequence[str]) -> list[str]:
    """Without what a session or a single request brings."""
    blocks = [{"type": "text", "text": words} for words in system if not words.startswith(_BILLING)]
    found = moved(blocks)
    return [block["text"] for block in (found[0] if found else blocks)]


def _sections(system: Sequence[str]) -> Iterator[tuple[str, str]]:
    for section in split(system):
        name = " > ".join(map(word, section.headings))
        yield name or f"beginning of block {section.block + 1}", section.text.strip("\n")


def _tool(tool: Mapping[str, Any]) -> str:
    """The description as it reads, and JSON for the rest, the schema by one name in either shape."""
    told = mapping(tool.get("function")) or tool
    schema = told.get("input_schema", told.get("parameters"))
    rest = {key: value for key, value in told.items() if key not in _TOLD_APART}
    return f"{text(told.get('description'))}\n\n{pretty({'schema': schema, **rest})}"


def _changed(part: tuple[Part, str], old: str | None, new: str | None, most: int) -> Changed:
    how: How = "came" if old is None else "went" if new is None else "changed"
    lines = tuple(islice(_diff(_lines(old), _lines(new)), most + 1))
    return Changed(*part, how, _bytes(old), _bytes(new), lines[:most], cut=len(lines) > most)


def _diff(old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    if not old or not new:
        return (f"{'+' if new else '-'}{line}" for line in new or old)
    return islice(difflib.unified_diff(old, new, lineterm=""), 2, None)


def _lines(words: str | None) -> list[str]:
    return [line[:_WIDTH] for line in (words or "").split("\n", _READ)[:_READ]] if words else []


def _bytes(words: str | None) -> int:
    return len((words or "").encode("utf-8", "replace"))
