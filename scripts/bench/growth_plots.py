"""Draws how the cost of the gateway grows: SVG from the tables that growth.py prints.

    python scripts/bench/growth_plots.py [docs/reference/performance.md] [--to docs/reference/figures]

It reads the tables as they stand in the document, so that what is drawn is what is written; a test holds the two
together.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from drawing import Axis, Row, column, curves, number, table

DOCUMENT: Final = Path(__file__).resolve().parents[2] / "docs" / "reference" / "performance.md"
COLOURS: Final = {"relay": "#777777", "anyclaude": "#0072B2", "with traces": "#E69F00"}
_SIZES: Final[Mapping[float, str]] = {10: "10 kB", 100: "100 kB", 1000: "1 MB", 10_000: "10 MB"}
_TIMES: Final[Mapping[float, str]] = {1: "1 ms", 10: "10 ms", 100: "100 ms", 1000: "1 s"}
_COUNTS: Final[Mapping[float, str]] = {count: str(count) for count in (1, 5, 20, 50, 100, 200, 500)}
_MEMORY: Final[Mapping[float, str]] = {size: f"{size} MB" for size in (50, 100, 200, 500)}


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
    sizes = next(table(markdown, "| request | relay: CPU |"))
    streams = next(table(markdown, "| streams | relay: CPU a stream |"))
    size, count, memory = Axis(9, 12_000, _SIZES), Axis(0.9, 600, _COUNTS), Axis(35, 800, _MEMORY)
    titled = {
        "growth-request-cpu": ("CPU time of a request, by its size", sizes, "CPU", size, Axis(0.5, 2000, _TIMES)),
        "growth-request-gap": ("How long others stand still for it", sizes, "gap", size, Axis(1, 1200, _TIMES)),
        "growth-streams-cpu": ("CPU time of a stream", streams, "CPU a stream", count, Axis(0.5, 100, _TIMES)),
        "growth-streams-begin": ("Until the last stream begins", streams, "last begins", count, Axis(1, 2e4, _TIMES)),
        "growth-streams-memory": ("Memory, by streams at once", streams, "memory", count, memory),
    }
    return {f"{name}.svg": _drawn(*drawing) for name, drawing in titled.items()}


def _drawn(title: str, rows: Sequence[Row], what: str, x: Axis, y: Axis) -> str:
    across = [number(cell) for cell in (next(iter(row.values())) for row in rows)]
    series = {name: [*zip(across, column(rows, f"{name}: {what}"), strict=True)] for name in COLOURS}
    return curves(title, series, COLOURS, x, y)


if __name__ == "__main__":
    sys.exit(main())
