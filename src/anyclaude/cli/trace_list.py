"""The table of `anyclaude trace list`, fitted to the terminal.

An id that is cut names no trace, so nothing is cut but what was asked: what has no room is left out whole, and a long
model's name goes on in the next line.
"""

from collections.abc import Sequence
from typing import Final

from rich.table import Table
from rich.text import Text

from anyclaude.cli.output import plain
from anyclaude.trace.transcript import Summary

_COLUMNS: Final = ("when", "id", "model", "route", "in", "out", "cost", "ms", "outcome", "last turn")
_LEFT_OUT: Final = ("last turn", "route", "ms", "cost", "in", "out", "when")
"""In this order, as far as there is no room."""

_NUMBERS: Final = frozenset({"in", "out", "cost", "ms"})
_LEAST: Final = {"model": 20, "last turn": 20}
"""Columns of the terminal that are worth having for these; all others are as wide as their longest cell."""

_GAP: Final = 2


def table(rows: Sequence[Summary], width: int) -> Table:
    """One line for each trace, two where a model's name is long. width: columns of the terminal."""
    cells = [dict(zip(_COLUMNS, _cells(row), strict=True)) for row in rows]
    needed = {name: max(len(name), *(len(row[name]) for row in cells)) for name in _COLUMNS}
    shown = _shown(needed, width, priced=any(row["cost"] for row in cells))
    widths = _widths(needed, shown, width)
    drawn = Table(box=None, pad_edge=False)
    for name in shown:
        cut = name == "last turn"
        drawn.add_column(
            name,
            justify="right" if name in _NUMBERS else "left",
            width=widths[name],
            no_wrap=cut,
            overflow="ellipsis" if cut else "fold",
        )
    for row in cells:
        drawn.add_row(*(Text(row[name]) for name in shown))
    return drawn


def _shown(needed: dict[str, int], width: int, *, priced: bool) -> list[str]:
    shown = [name for name in _COLUMNS if name != "cost" or priced]
    for name in _LEFT_OUT:
        if sum(min(needed[each], _LEAST.get(each, width)) + _GAP for each in shown) - _GAP <= width:
            break
        shown = [each for each in shown if each != name]
    return shown


def _widths(needed: dict[str, int], shown: Sequence[str], width: int) -> dict[str, int]:
    """What the others leave goes to the model first, then to the last turn."""
    widths = {name: needed[name] if name not in _LEAST else min(needed[name], _LEAST[name]) for name in shown}
    room = max(0, width - sum(widths.values()) - _GAP * (len(shown) - 1))
    for name in _LEAST:
        if name in widths:
            more = min(room, needed[name] - widths[name])
            widths[name] += more
            room -= more
    return widths


def _cells(row: Summary) -> list[str]:
    cost = "" if row.cost is None else f"${row.cost:.4f}"
    counts = ["" if count is None else str(count) for count in (row.tokens_in, row.tokens_out)]
    ms = "" if row.ms is None else f"{row.ms:.0f}"
    when = row.time[5:19].replace("T", " ")
    return [when, row.id[-8:], plain(row.model), plain(row.role), *counts, cost, ms, row.outcome, row.last_turn]
