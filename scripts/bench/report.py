"""The figures of a run as a table for people and as one JSON object for scripts."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from measure import Counts, Figures

_YARDSTICK = "relay"


def _median(name: str) -> Callable[[Figures], float]:
    return lambda figures: statistics.median(getattr(figures, name))


def _added(percent: int) -> Callable[[Figures], float]:
    return lambda figures: percentile(figures.added_ms, percent)


# What a row says, its unit, how it is taken, its aim, whether a ratio to the relay means something.
_ROWS: tuple[tuple[str, str, Callable[[Figures], float], float | None, bool], ...] = (
    ("CPU a request, tiny answer", "ms", _median("request_cpu_ms"), 3.0, True),
    ("CPU a chunk, text in bursts", "µs", _median("text_chunk_us"), 12.0, True),
    ("CPU a chunk, tool arguments in bursts", "µs", _median("tool_chunk_us"), 12.0, True),
    ("CPU a chunk, text, one a write", "µs", _median("paced_chunk_us"), None, True),
    ("added to the first content, p50", "ms", _added(50), None, True),
    ("added to the first content, p99", "ms", _added(99), None, True),
    ("streams at once: until all are done", "s", _median("streams_s"), None, True),
    ("streams at once: first content, median", "ms", _median("streams_first_ms"), None, True),
    ("streams at once: first content, last", "ms", _median("streams_last_first_ms"), None, True),
    ("streams at once: slowest to median", "x", _median("streams_unfairness"), None, False),
    ("streams at once: errors", "", lambda figures: float(len(figures.stream_errors)), 0.0, False),
    ("memory at start", "MB", lambda figures: figures.rss_mb[0], None, True),
    ("memory at the end", "MB", lambda figures: figures.rss_mb[-1], None, True),
)


def percentile(samples: Sequence[float], percent: int) -> float:
    """The nearest-rank percentile."""
    ordered = sorted(samples)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def table(figures: Mapping[str, Figures]) -> str:
    """A row for each measure, a column for each target, then the ratios to the relay, then the aim."""
    others = [name for name in figures if name != _YARDSTICK] if _YARDSTICK in figures else []
    heads = ["", *figures, *(f"{name}/{_YARDSTICK}" for name in others), "aim"]
    rows = [heads]
    for label, unit, take, aim, comparable in _ROWS:
        taken = {name: take(of_target) for name, of_target in figures.items()}
        ratios = [_ratio(taken[name], taken[_YARDSTICK]) if comparable else "" for name in others]
        values = [_number(value) for value in taken.values()]
        rows.append([f"{label} ({unit})" if unit else label, *values, *ratios, "" if aim is None else f"{aim:g}"])
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    return "\n".join(_line(row, widths) for row in rows)


def as_json(figures: Mapping[str, Figures], counts: Counts, request_bytes: int) -> dict[str, Any]:
    """Every value of every round, with the table's own numbers beside them."""
    return {
        "counts": asdict(counts) | {"request_bytes": request_bytes},
        "targets": {
            name: {
                "table": {label: {"unit": unit, "value": take(found)} for label, unit, take, _, _ in _ROWS},
                "rounds": asdict(found),
            }
            for name, found in figures.items()
        },
    }


def _ratio(value: float, yardstick: float) -> str:
    return f"{value / yardstick:.1f}" if yardstick > 0 else "-"


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 or value == 0 else f"{value:.2f}"


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = (
        text.ljust(width) if not at else text.rjust(width)
        for at, (text, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join([first, *rest]).rstrip()
