"""Where two prompts part: the byte from which a model's prefix cache is of no use any more."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final, Literal

from anyclaude.trace.prompts import Block, blocks_of
from anyclaude.wire.prefix import shared_prefix

_LINES: Final = 12
"""Lines shown after the first that differs."""

_WIDTH: Final = 160


@dataclass(frozen=True, slots=True)
class Parting:
    """byte: of the rendered prompt, from 0. block: the label of the first that differs, in the first body where it has
    one. in_block: the byte in it. shared: blocks that are the same. lines: a short unified diff from there. only: which
    of the two has more blocks, all of the other's being the same.
    """

    byte: int
    block: str
    in_block: int
    shared: int
    lines: tuple[str, ...]
    only: Literal["first", "second"] | None = None


def parting_of(first: object, second: object) -> Parting | None:
    """Where two request bodies begin to differ, None when their prompts are the same."""
    return parted(blocks_of(first), blocks_of(second))


def parted(first: Iterable[Block], second: Iterable[Block]) -> Parting | None:
    """As `parting_of`, of prompts that were taken apart already."""
    before = 0
    for shared, (one, other) in enumerate(zip_longest(first, second)):
        if one == other:
            before += len(one.text.encode())
            continue
        return _parting(before, shared, one, other)
    return None


def _parting(before: int, shared: int, one: Block | None, other: Block | None) -> Parting:
    left, right = one.text if one else "", other.text if other else ""
    named_alike = one is not None and other is not None and one.label == other.label
    same = shared_prefix(left, right) if named_alike else 0
    in_block = shared_prefix(left.encode(), right.encode()) if named_alike else 0
    lines = _lines(left, right, same)
    return Parting(before + in_block, _label(one, other), in_block, shared, lines, _only(one, other))


def _only(one: Block | None, other: Block | None) -> Literal["first", "second"] | None:
    if one is not None and other is not None:
        return None
    return "first" if other is None else "second"


def _label(one: Block | None, other: Block | None) -> str:
    if one is None or other is None:
        present = one or other
        return f"{present.label if present else ''} (only in the {'first' if one else 'second'})"
    return one.label if one.label == other.label else f"{one.label} (in the second: {other.label})"


def _lines(left: str, right: str, same: int) -> tuple[str, ...]:
    """Unified, from the line before the first difference on; long lines from a little before it."""
    start = left.rfind("\n", 0, max(left.rfind("\n", 0, same), 0)) + 1
    start = max(start, same - _WIDTH // 2)
    one, other = (
        [line[:_WIDTH] for line in text[start : start + 20_000].split("\n")[:_LINES]] for text in (left, right)
    )
    found = difflib.unified_diff(one, other, "first", "second", n=2, lineterm="")
    return tuple(line for line in found if not line.startswith("@@"))
