"""Where two prompts part: the byte from which a model's prefix cache is of no use any more."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

from anyclaude.trace.prompts import Block, blocks_of

_LINES: Final = 12
"""Lines shown after the first that differs."""

_WIDTH: Final = 160


@dataclass(frozen=True, slots=True)
class Parting:
    """byte: of the rendered prompt, from 0. block: the label of the first that differs, in the first body where it has
    one. in_block: the byte in it. shared: blocks that are the same. lines: a short unified diff from there.
    """

    byte: int
    block: str
    in_block: int
    shared: int
    lines: tuple[str, ...]


def parting_of(first: object, second: object) -> Parting | None:
    """Where two request bodies begin to differ, None when their prompts are the same."""
    before = 0
    for shared, (one, other) in enumerate(zip_longest(blocks_of(first), blocks_of(second))):
        if one == other:
            before += len(one.text.encode())
            continue
        return _parting(before, shared, one, other)
    return None


def _parting(before: int, shared: int, one: Block | None, other: Block | None) -> Parting:
    left, right = one.text if one else "", other.text if other else ""
    named_alike = one is not None and other is not None and one.label == other.label
    same = _shared(left, right) if named_alike else 0
    in_block = _shared(left.encode(), right.encode()) if named_alike else 0
    return Parting(before + in_block, _label(one, other), in_block, shared, _lines(left, right, same))


def _label(one: Block | None, other: Block | None) -> str:
    if one is None or other is None:
        present = one or other
        return f"{present.label if present else ''} (only in the {'first' if one else 'second'})"
    return one.label if one.label == other.label else f"{one.label} (in the second: {other.label})"


def _shared(left: Sequence[object], right: Sequence[object]) -> int:
    shortest = min(len(left), len(right))
    return next((place for place in range(shortest) if left[place] != right[place]), shortest)


def _lines(left: str, right: str, same: int) -> tuple[str, ...]:
    """Unified, from the line before the first difference on; long lines from a little before it."""
    start = left.rfind("\n", 0, max(left.rfind("\n", 0, same), 0)) + 1
    start = max(start, same - _WIDTH // 2)
    one, other = (
        [line[:_WIDTH] for line in text[start : start + 20_000].split("\n")[:_LINES]] for text in (left, right)
    )
    found = difflib.unified_diff(one, other, "first", "second", n=2, lineterm="")
    return tuple(line for line in found if not line.startswith("@@"))
