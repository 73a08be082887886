"""Draws the tables of the simulated clusters: SVG from the Markdown that cluster_sim.py prints.

    python scripts/bench/cluster_sim_plots.py [docs/architecture/cluster.md] [--to docs/architecture/figures]

It reads the tables as they stand in the document, so that what is drawn is what is written; a test holds the two
together. Written by hand, because three figures are no reason for a library of plots.
"""

import argparse
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

DOCUMENT: Final = Path(__file__).resolve().parents[2] / "docs" / "architecture" / "cluster.md"
COLOURS: Final = {
    "cache-aware": "#0072B2",
    "least-loaded": "#E69F00",
    "latency-based": "#009E73",
    "round-robin": "#CC79A7",
}
LINES: Final = {"at home": "#0072B2", "home busy": "#E69F00", "new session": "#CC79A7", "small": "#009E73"}
LEFT: Final = 170
RIGHT: Final = 730
TOP: Final = 60
WIDTH: Final = 760
STEP: Final = 15

Row = Mapping[str, str]
Scale = Callable[[float], float]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("document", nargs="?", type=Path, default=DOCUMENT)
    parser.add_argument("--to", type=Path, default=DOCUMENT.parent / "figures")
    options = parser.parse_args()
    options.to.mkdir(exist_ok=True)
    for name, drawing in drawings(options.document.read_text()).items():
        (options.to / name).write_text(drawing)
    return 0


def drawings(markdown: str) -> Mapping[str, str]:
    """SVG by file name."""
    fleets = next(table(markdown, "| fleet | strategy |"))
    scale = next(table(markdown, "| nodes | sessions |"))
    return {
        "cluster-first-token.svg": first_tokens(fleets),
        "cluster-from-cache.svg": from_cache(fleets),
        "cluster-decisions.svg": decisions(scale),
    }


def table(markdown: str, head: str) -> Iterator[list[Row]]:
    """The tables that begin with that head, row by row."""
    lines = markdown.splitlines()
    for place, line in enumerate(lines):
        if line.startswith(head):
            names = _cells(line)
            rows = lines[place + 2 :]
            end = next((number for number, row in enumerate(rows) if not row.startswith("|")), len(rows))
            yield [dict(zip(names, _cells(row), strict=True)) for row in rows[:end]]


def first_tokens(rows: Sequence[Row]) -> str:
    """A dot for the mean, a tick for p95, a line to p99."""
    across = _logarithmic(1, 1300)
    marks = []
    for y, row in _placed(rows):
        colour, (mean, p95, p99) = COLOURS[row["strategy"]], [_number(row[each]) for each in ("mean", "p95", "p99")]
        marks += [
            _line(across(mean), y, across(p99), y, colour, 2),
            _line(across(p95), y - 4, across(p95), y + 4, colour, 2),
            f'<circle cx="{across(mean):.1f}" cy="{y}" r="4" fill="{colour}"/>',
        ]
    title = "Seconds to the first token: mean (dot), p95 (tick), p99 (end), by fleet and strategy"
    return _framed(title, [*_fleets(rows, across, (1, 10, 100, 1000), " s"), *marks], _height(rows))


def from_cache(rows: Sequence[Row]) -> str:
    """Bars from nothing to all."""
    across = _linear(0, 100)
    bars = [
        f'<rect x="{LEFT}" y="{y - 5}" width="{across(_number(row["from cache"])) - LEFT:.1f}" height="10" '
        f'fill="{COLOURS[row["strategy"]]}"/>'
        for y, row in _placed(rows)
    ]
    title = "Prompt tokens from the cache, by fleet and strategy"
    return _framed(title, [*_fleets(rows, across, (0, 25, 50, 75, 90, 100), " %"), *bars], _height(rows))


def decisions(rows: Sequence[Row]) -> str:
    """Lines over the number of nodes, both axes logarithmic."""
    bottom = 400
    across = _logarithmic(2, 1500)
    up = _logarithmic(8, 8000, bottom, TOP + 20)
    marks = [_upright(across(nodes), bottom, TOP + 10, f"{nodes:.0f} nodes") for nodes in _column(rows, "nodes")]
    for cost in (10, 100, 1000):
        marks += [_line(LEFT, up(cost), RIGHT, up(cost), "#ddd"), _text(LEFT - 8, up(cost) + 4, f"{cost} µs", "end")]
    for name, colour in LINES.items():
        points = [*zip(map(across, _column(rows, "nodes")), map(up, _column(rows, name)), strict=True)]
        marks += [_line(*one, *other, colour, 2) for one, other in pairwise(points)]
        marks += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>' for x, y in points]
    title = "CPU time of one decision, by the number of nodes and what is asked"
    return _framed(title, [*marks, *_legend(LINES)], bottom + 40)


def _fleets(rows: Sequence[Row], across: Scale, ticks: Sequence[float], unit: str) -> Iterator[str]:
    """Grid, names of the fleets, legend."""
    for tick in ticks:
        yield _upright(across(tick), _height(rows) - 30, TOP + 5, f"{tick:g}{unit}")
    last = ""
    for y, row in _placed(rows):
        if row["fleet"] != last:
            yield _text(LEFT - 8, y + 4, row["fleet"], "end")
        last = row["fleet"]
    yield from _legend(COLOURS)


def _placed(rows: Sequence[Row]) -> Iterator[tuple[int, Row]]:
    """With the height of each row; fleets stand apart."""
    y, last = TOP + 10, rows[0]["fleet"]
    for row in rows:
        y += STEP if row["fleet"] == last else 2 * STEP
        last = row["fleet"]
        yield y, row


def _height(rows: Sequence[Row]) -> int:
    return max(y for y, _ in _placed(rows)) + 50


def _legend(colours: Mapping[str, str]) -> Iterator[str]:
    for place, (name, colour) in enumerate(colours.items()):
        x = LEFT + 140 * place
        yield f'<rect x="{x}" y="36" width="12" height="12" fill="{colour}"/>'
        yield _text(x + 18, 46, name)


def _logarithmic(low: float, high: float, start: float = LEFT, end: float = RIGHT) -> Scale:
    return lambda value: start + (end - start) * math.log(value / low) / math.log(high / low)


def _linear(low: float, high: float) -> Scale:
    return lambda value: LEFT + (RIGHT - LEFT) * (value - low) / (high - low)


def _upright(x: float, bottom: float, top: float, label: str) -> str:
    return _line(x, bottom, x, top, "#ddd") + _text(x, bottom + 18, label, "middle")


def _line(x: float, y: float, to_x: float, to_y: float, colour: str, width: int = 1) -> str:
    places = f'x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}"'
    return f'<line {places} stroke="{colour}" stroke-width="{width}"/>'


def _text(x: float, y: float, words: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{words}</text>'


def _framed(title: str, marks: Sequence[str], height: int) -> str:
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12" fill="#222">'
    ground = f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>'
    name = f'<title>{title}</title><text x="{LEFT}" y="22" font-size="14" font-weight="bold">{title}</text>'
    return "\n".join([head, ground, name, *marks, "</svg>"]) + "\n"


def _column(rows: Sequence[Row], name: str) -> list[float]:
    return [_number(row[name]) for row in rows]


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _number(cell: str) -> float:
    return float(cell.split()[0])


if __name__ == "__main__":
    sys.exit(main())
