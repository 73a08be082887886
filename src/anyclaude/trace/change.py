"""What of a prompt is no longer as it was in the request before, in words.

A model server goes on from what it computed for the last prompt while the next one begins with it. So only what changed
within the last prompt costs anything; what is new behind it does not count as a change.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from anyclaude.prompt.sections import split
from anyclaude.trace.diff import Parting, parted
from anyclaude.trace.parts import word
from anyclaude.trace.prompts import Block, blocks_of
from anyclaude.wire.prefix import shared_prefix

_SYSTEM: Final = ("system block ", "turn 1 (system)", "turn 1 (developer)")
_TOOL: Final = "tool "
_NAMED: Final = 3  # of tools


@dataclass(frozen=True, slots=True)
class Change:
    """what: "`gitStatus` of the system prompt changed", "tool WebFetch came". parting: the place, with a diff."""

    what: str
    parting: Parting


def change(before: object, now: object) -> Change | None:
    """What two request bodies part by; None where the prompt of the second begins with all of the first."""
    first, second = blocks_of(before), blocks_of(now)
    parting = parted(first, second)
    if parting is None or parting.only == "second":
        return None
    one, other = first[parting.shared], second[parting.shared] if parting.only is None else None
    if other is not None and _has_grown(one, other, last=parting.shared == len(first) - 1):
        return None
    return Change(_what(one, other, first, second), parting)


def _has_grown(one: Block, other: Block, last: bool) -> bool:
    """Servers that want one message of the user at a time get what is new in the same one."""
    return last and one.label == other.label and other.text.startswith(one.text)


def _what(one: Block, other: Block | None, first: Sequence[Block], second: Sequence[Block]) -> str:
    if other is None:
        return "the history became shorter"
    if one.label.startswith(_TOOL) or other.label.startswith(_TOOL):
        return _tools_changed(one, first, second)
    if one.label != other.label:
        return f"{word(other.label)} stands where {word(one.label)} was"
    place = "the system prompt" if one.label.startswith(_SYSTEM) else word(one.label)
    heading = _heading(other.text, shared_prefix(one.text, other.text))
    return f"`{heading}` of {place} changed" if heading else f"{place} changed"


def _tools_changed(one: Block, first: Sequence[Block], second: Sequence[Block]) -> str:
    old, new = _tools(first), _tools(second)
    came, went = [name for name in new if name not in old], [name for name in old if name not in new]
    if came or went:
        return f"{_listed(came)} came" if came else f"{_listed(went)} went"
    changed = [name for name in old if old[name] != new[name]]
    return f"{_listed(changed)} changed" if changed else f"the tools are in another order from {word(one.label)} on"


def _tools(blocks: Sequence[Block]) -> dict[str, str]:
    named = ((block.label.removeprefix(_TOOL), block.text) for block in blocks if block.label.startswith(_TOOL))
    return {word(name): text for name, text in named}


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{'tool' if len(names) == 1 else 'tools'} {', '.join(names[:_NAMED])}{more}"


def _heading(text: str, at: int) -> str:
    """That of the section in which a character stands."""
    end = 0
    for section in split([text]):
        end += len(section.text) + 1
        if at < end:
            return word(section.heading.replace("`", ""))[:60]
    return ""
