"""The figures of a run as a table for people and as one JSON object for scripts."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from measure import Counts, Figures

_YARDSTICK = "relay"


@dataclass(frozen=True, slots=True)
class Row:
    """One measure. `best` is set where noise only adds; without `comparable` a ratio to the relay says nothing."""

    label: str
    unit: str
    take: Callable[[Figures], float]
    best: Callable[[Figures], float] | None = None
    aim: float | None = None
    comparable: bool = True

    @property
    def head(self) -> str:
        return f"{self.label} ({self.unit})" if self.unit else self.label

    def value(self, figures: Figures) -> str:
        best = f" ({_number(self.best(figures))})" if self.best else ""
        return _number(self.take(figures)) + best


def _median(name: str) -> Callable[[Figures], float]:
    return lambda figures: statistics.median(getattr(figures, name))


def _added(percent: int) -> Callable[[Figures], float]:
    return lambda figures: percentile(figures.added_ms, percent)


def _cpu(label: str, unit: str, name: str, aim: float | None) -> Row:
    return Row(label, unit, _median(name), lambda figures: min(getattr(figures, name)), aim)


_ROWS = (
    _cpu("CPU a request, tiny answer", "ms", "request_cpu_ms", 2.0),
    _cpu("CPU a chunk, text in bursts", "µs", "text_chunk_us", 8.0),
    _cpu("CPU a chunk, tool arguments in bursts", "µs", "tool_chunk_us", 8.0),
    _cpu("CPU a chunk, text, one a write", "µs", "paced_chunk_us", None),
    Row("added to the first content, p50", "ms", _added(50), aim=2.0),
    Row("added to the first content, p99", "ms", _added(99), aim=10.0),
    Row("streams at once: until all are done", "s", _median("streams_s")),
    Row("streams at once: first content, median", "ms", _median("streams_first_ms")),
    Row("streams at once: first content, last", "ms", _median("streams_last_first_ms")),
    Row("streams at once: slowest to median", "x", _median("streams_unfairness"), comparable=False),
    Row("streams at once: errors", "", lambda figures: len(figures.stream_errors), aim=0.0, comparable=False),
    Row("memory at start", "MB", lambda figures: figures.rss_mb[0], aim=80.0),
    Row("memory at the end", "MB", lambda figures: figures.rss_mb[-1], aim=80.0),
)


def percentile(samples: Sequence[float], percent: int) -> float:
    """The nearest-rank percentile."""
    ordered = sorted(samples)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def table(figures: Mapping[str, Figures]) -> str:
    """A row for each measure, a column for each target, then the ratios to the relay, then the aim.

    A value is the median of the rounds, that of the best round in brackets.
    """
    others = [name for name in figures if name != _YARDSTICK] if _YARDSTICK in figures else []
    rows = [["", *figures, *(f"{name}/{_YARDSTICK}" for name in others), "aim"]]
    for row in _ROWS:
        ratios = [_ratio(row, figures[name], figures[_YARDSTICK]) for name in others]
        values = [row.value(of_target) for of_target in figures.values()]
        rows.append([row.head, *values, *ratios, "" if row.aim is None else f"{row.aim:g}"])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_line(texts, widths) for texts in rows)


def as_json(figures: Mapping[str, Figures], counts: Counts, request_bytes: int) -> dict[str, Any]:
    """Every value of every round, with the table's own numbers beside them."""
    return {
        "counts": asdict(counts) | {"request_bytes": request_bytes},
        "targets": {
            name: {
                "table": {row.label: {"unit": row.unit, "value": row.take(found)} for row in _ROWS},
                "rounds": asdict(found),
            }
            for name, found in figures.items()
        },
    }


def _ratio(row: Row, figures: Figures, yardstick: Figures) -> str:
    base = row.take(yardstick)
    return f"{row.take(figures) / base:.1f}" if row.comparable and base > 0 else ""


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 or value == 0 else f"{value:.2f}"


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = (
        text.ljust(width) if not at else text.rjust(width)
        for at, (text, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join([first, *rest]).rstrip()
