"""A table that fits the terminal: what has no room is left out whole, in an order, and one column may be cut."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rich.table import Table
from rich.text import Text

_GAP: Final = 1
_LEAST: Final = 12
"""Columns of the terminal that are left of what is cut."""


@dataclass(frozen=True, slots=True)
class Column:
    """words: aligned to the left. kept: the lower, the sooner it is left out. cut: cells need not be whole."""

    head: str
    kept: int
    words: bool = False
    cut: bool = False


def fitted(columns: Sequence[Column], rows: Sequence[Sequence[Text]], width: int) -> Table:
    """width: of the terminal. A column in which every cell is empty is left out too."""
    widths = _widths(columns, rows, width)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for at, columns_of_terminal in widths.items():
        table.add_column(
            columns[at].head,
            justify="left" if columns[at].words else "right",
            width=columns_of_terminal,
            no_wrap=True,
            overflow="ellipsis",
        )
    for row in rows:
        table.add_row(*(row[at] for at in widths))
    return table


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[Text]], width: int) -> Mapping[int, int]:
    """By the place of each column that is shown."""
    widths = {
        at: max(len(column.head), *(row[at].cell_len for row in rows))
        for at, column in enumerate(columns)
        if any(row[at] for row in rows)
    }
    while (lacking := sum(widths.values()) + _GAP * (len(widths) - 1) - width) > 0:
        cut = next((at for at in widths if columns[at].cut), None)
        if cut is not None and widths[cut] - lacking >= min(widths[cut], _LEAST):
            return widths | {cut: widths[cut] - lacking}
        if len(widths) == 1:
            return dict.fromkeys(widths, width)
        del widths[min(widths, key=lambda at: columns[at].kept)]
    return widths
