"""Tables and bars in Markdown."""

from collections.abc import Iterable, Sequence
from math import log
from statistics import mean, median
from typing import Final

from cluster_sim_run import Result
from cluster_sim_scale import Cost

WIDTH: Final = 40
SHORTEST: Final = 1.0
"""Seconds at which a bar begins; its length is the logarithm."""

HEAD: Final = (
    "| fleet | strategy | mean | p95 | p99 | small, mean | from cache | moves a session | until all is done "
    "| decision |\n"
    "|---|---|---|---|---|---|---|---|---|---|"
)
SCALE_HEAD: Final = (
    "| nodes | sessions | at home | home busy | new session | small | of a core | kB a node |\n"
    "|---|---|---|---|---|---|---|---|"
)
BETWEEN: Final = 8.0
"""Seconds between two requests of a session."""

SCANS: Final = 0.1
"""The share of requests that are of a new session, or small."""


def row(fleet: str, strategy: str, results: Sequence[Result], sessions: int) -> str:
    """One line of the table: all requests of all seeds together."""
    waits = sorted(wait for result in results for wait in result.waits)
    small = [wait for result in results for wait in result.small_waits]
    cached = 100 * sum(result.cached for result in results) / sum(result.tokens for result in results)
    moved = mean(result.moved for result in results) / sessions
    lasted = mean(result.seconds for result in results)
    decision = median(each for result in results for each in result.decisions)
    return (
        f"| {fleet} | {strategy} | {mean(waits):.1f} s | {_at(waits, 0.95):.0f} s | {_at(waits, 0.99):.0f} s "
        f"| {mean(small):.1f} s | {cached:.1f} % | {moved:.1f} | {lasted:.0f} s | {decision:.0f} µs |"
    )


def failures(results: Sequence[Result]) -> str:
    """What became of the requests of nodes that failed."""
    again, broken = sum(result.again for result in results), sum(result.broken for result in results)
    return f"{again} requests were asked elsewhere before their first token, {broken} answers broke after it"


def bars(title: str, values: Iterable[tuple[str, float]]) -> str:
    """Bars of seconds on a logarithmic scale."""
    values = list(values)
    longest = max(log(max(value, SHORTEST)) for _, value in values) or 1.0
    lines = [
        f"  {name:<14} {'█' * max(1, round(WIDTH * log(max(value, SHORTEST)) / longest))} {value:.1f}"
        for name, value in values
    ]
    return "\n".join([title, *lines])


def scale_row(cost: Cost, sessions: int) -> str:
    """`of a core`: what all decisions of so many sessions take."""
    times = " | ".join(f"{each:.0f} µs" for each in (cost.at_home, cost.busy_home, cost.new, cost.small))
    share = sessions / BETWEEN * ((1 - SCANS) * cost.at_home + SCANS * cost.new) / 1e6
    return f"| {cost.nodes} | {sessions} | {times} | {100 * share:.1f} % | {cost.kilobytes:.1f} |"


def _at(values: Sequence[float], share: float) -> float:
    return values[min(len(values) - 1, int(share * len(values)))]
