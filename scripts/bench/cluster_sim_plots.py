"""Draws the tables of the simulated clusters: SVG from the Markdown that cluster_sim.py prints.

    python scripts/bench/cluster_sim_plots.py [docs/architecture/cluster.md] [--to docs/architecture/figures]

It reads the tables as they stand in the document, so that what is drawn is what is written; a test holds the two
together.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from drawing import (
    LEFT,
    TOP,
    Axis,
    Row,
    Scale,
    column,
    curves,
    framed,
    legend,
    line,
    linear,
    logarithmic,
    number,
    table,
    text,
    upright,
)

DOCUMENT: Final = Path(__file__).resolve().parents[2] / "docs" / "architecture" / "cluster.md"
COLOURS: Final = {
    "cache-aware": "#0072B2",
    "least-loaded": "#E69F00",
    "latency-based": "#009E73",
    "round-robin": "#CC79A7",
}
LINES: Final = {"at home": "#0072B2", "home busy": "#E69F00", "new session": "#CC79A7", "small": "#009E73"}
STEP: Final = 15


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


def first_tokens(rows: Sequence[Row]) -> str:
    """A dot for the mean, a tick for p95, a line to p99."""
    across = logarithmic(1, 1300)
    marks = []
    for y, row in _placed(rows):
        colour, (mean, p95, p99) = COLOURS[row["strategy"]], [number(row[each]) for each in ("mean", "p95", "p99")]
        marks += [
            line(across(mean), y, across(p99), y, colour, 2),
            line(across(p95), y - 4, across(p95), y + 4, colour, 2),
            f'<circle cx="{across(mean):.1f}" cy="{y}" r="4" fill="{colour}"/>',
        ]
    title = "Seconds to the first token: mean (dot), p95 (tick), p99 (end), by fleet and strategy"
    return framed(title, [*_fleets(rows, across, (1, 10, 100, 1000), " s"), *marks], _height(rows))


def from_cache(rows: Sequence[Row]) -> str:
    """Bars from nothing to all."""
    across = linear(0, 100)
    bars = [
        f'<rect x="{LEFT}" y="{y - 5}" width="{across(number(row["from cache"])) - LEFT:.1f}" height="10" '
        f'fill="{COLOURS[row["strategy"]]}"/>'
        for y, row in _placed(rows)
    ]
    title = "Prompt tokens from the cache, by fleet and strategy"
    return framed(title, [*_fleets(rows, across, (0, 25, 50, 75, 90, 100), " %"), *bars], _height(rows))


def decisions(rows: Sequence[Row]) -> str:
    """Lines over the number of nodes, both axes logarithmic."""
    nodes = column(rows, "nodes")
    series = {name: [*zip(nodes, column(rows, name), strict=True)] for name in LINES}
    across = Axis(2, 1500, {count: f"{count:.0f} nodes" for count in nodes})
    up = Axis(8, 8000, {cost: f"{cost} µs" for cost in (10, 100, 1000)})
    title = "CPU time of one decision, by the number of nodes and what is asked"
    return curves(title, series, LINES, across, up)


def _fleets(rows: Sequence[Row], across: Scale, ticks: Sequence[float], unit: str) -> Iterator[str]:
    """Grid, names of the fleets, legend."""
    for tick in ticks:
        yield upright(across(tick), _height(rows) - 30, TOP + 5, f"{tick:g}{unit}")
    last = ""
    for y, row in _placed(rows):
        if row["fleet"] != last:
            yield text(LEFT - 8, y + 4, row["fleet"], "end")
        last = row["fleet"]
    yield from legend(COLOURS)


def _placed(rows: Sequence[Row]) -> Iterator[tuple[int, Row]]:
    """With the height of each row; fleets stand apart."""
    y, last = TOP + 10, rows[0]["fleet"]
    for row in rows:
        y += STEP if row["fleet"] == last else 2 * STEP
        last = row["fleet"]
        yield y, row


def _height(rows: Sequence[Row]) -> int:
    return max(y for y, _ in _placed(rows)) + 50


if __name__ == "__main__":
    sys.exit(main())
