"""What is measured of a worker, figure by figure: its name, its measure, its row, and which way is better."""

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

Figures = dict[str, float]
"""By the names of FIGURES."""


@dataclass(frozen=True, slots=True)
class Figure:
    """measure: what makes it. best: of several rounds."""

    measure: str
    label: str
    best: Callable[[Iterable[float]], float] = min


FIGURES: Final[Mapping[str, Figure]] = {
    "cold": Figure("session", "first token, cold (s)"),
    "next-turn": Figure("session", "first token, next turns, median (s)"),
    "cold-cpu": Figure("session", "CPU, cold (s)"),
    "next-turn-cpu": Figure("session", "CPU, next turns, median (s)"),
    "computed": Figure("session", "tokens computed for each new one"),
    "same-system": Figure("shared", "first token, new session, same system (s)"),
    "short": Figure("contended", "first token, short behind long (s)"),
    "long": Figure("contended", "first token, long before short (s)"),
    "short-first": Figure("contended", "short was answered first", max),
    "speed-1": Figure("throughput", "tokens a second, 1 at once", max),
    "speed-4": Figure("throughput", "tokens a second, 4 at once", max),
    "speed-8": Figure("throughput", "tokens a second, 8 at once", max),
    "left-prompt": Figure("disconnect", "from disconnect to rest, in the prompt (s)"),
    "left-answer": Figure("disconnect", "from disconnect to rest, in the answer (s)"),
    "calls-made": Figure("calls", "demanded calls that were made (%)", max),
    "calls-valid": Figure("calls", "of these valid (%)", max),
    "memory": Figure("soak", "memory gained over the soak (MB)"),
    "repeat": Figure("repeat", "first token, exact repeat (s)"),
    "alive": Figure("repeat", "alive after it", max),
}


@dataclass(frozen=True, slots=True)
class Summary:
    """One figure over all rounds; NaN where it was never found."""

    median: float
    best: float

    def __str__(self) -> str:
        return f"{self.median:.3f}" if self.median == self.best else f"{self.median:.3f} ({self.best:.3f})"


def chosen(names: Sequence[str]) -> list[str]:
    """Figures by their own names or those of their measures, in the order of the table. Raises KeyError."""
    known = {*FIGURES, *(figure.measure for figure in FIGURES.values())}
    if unknown := set(names) - known:
        raise KeyError(", ".join(sorted(unknown)))
    return [name for name, figure in FIGURES.items() if not names or name in names or figure.measure in names]


def summary(rounds: Sequence[Figures], name: str) -> Summary:
    values = [figures[name] for figures in rounds if not math.isnan(figures.get(name, math.nan))]
    return Summary(statistics.median(values), FIGURES[name].best(values)) if values else Summary(math.nan, math.nan)


def table(model: str, found: Mapping[str, Mapping[str, Summary]]) -> str:
    """One model's: a row for each figure, a column for each server. With several rounds: median (best)."""
    head = f"{model:44}" + "".join(f"{server:>26}" for server in found)
    rows = (
        f"{FIGURES[name].label:44}" + "".join(f"{each[name]!s:>26}" for each in found.values())
        for name in next(iter(found.values()))
    )
    return "\n".join([head, *rows])
