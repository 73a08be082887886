"""The charts of a session: one bar a turn, the same turn at the same place in each."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from statistics import median
from typing import Final

from anyclaude.trace.turn import Turn
from anyclaude.viewer.charts import Bar, Chart
from anyclaude.viewer.formats import count, duration, money, plural, share, short

Leads = Callable[[Turn], str]

Says = Callable[[float | None], str]

_LEGEND: Final = (("computed", "computed"), ("cached", "cached"))


def charts(turns: Sequence[Turn], leads: Leads) -> list[Chart]:
    """Those there is something to show in. leads: where a bar leads."""
    return list(_charts(turns, leads)) if len(turns) > 1 else []


def pairs(first: Iterable[Chart], second: Iterable[Chart]) -> Iterator[tuple[str, tuple[Chart | None, ...], float]]:
    """Charts of two that show the same: the title, both, and the height that they share."""
    by_title = [{chart.title: chart for chart in some} for some in (first, second)]
    for title in dict.fromkeys([*by_title[0], *by_title[1]]):
        both = tuple(some.get(title) for some in by_title)
        yield title, both, max(chart.highest for chart in both if chart)


def _charts(turns: Sequence[Turn], leads: Leads) -> Iterator[Chart]:
    if any(turn.prompt_tokens for turn in turns):
        yield _prompts(turns, leads)
    waits = [turn.first_token_ms for turn in turns if turn.first_token_ms is not None]
    if waits:
        told = f"half of them within {duration(median(waits))}, the longest {duration(max(waits))}"
        drawn = _bars(turns, leads, "computed", lambda turn: turn.first_token_ms, duration)
        yield _chart("Time to the first token", told, drawn, duration)
    written = [turn.output_tokens for turn in turns if turn.output_tokens]
    if written:
        told = f"{count(sum(written))} in all, at most {count(max(written))} in a turn"
        drawn = _bars(turns, leads, "output", lambda turn: turn.output_tokens, count)
        yield _chart("Output tokens", told, drawn, short)
    costs = [turn.cost for turn in turns if turn.cost]
    if costs:
        told = f"{money(sum(costs))} in all, at most {money(max(costs))} for a turn"
        yield _chart("Cost", told, _bars(turns, leads, "computed", lambda turn: turn.cost, money), money)


def _chart(title: str, told: str, drawn: list[Bar], said: Says, legend: tuple[tuple[str, str], ...] = ()) -> Chart:
    return Chart(title, f"{title} of {plural(len(drawn), 'turn')}: {told}.", tuple(drawn), said, legend)


def _prompts(turns: Sequence[Turn], leads: Leads) -> Chart:
    drawn = [_prompt(number, turn, leads) for number, turn in enumerate(turns, 1)]
    whole = sum(turn.prompt_tokens or 0 for turn in turns)
    cached = sum(turn.cached_tokens or 0 for turn in turns)
    highest = max(turn.prompt_tokens or 0 for turn in turns)
    told = f"{count(whole)} in all, {share(cached, whole)} from the cache, at most {count(highest)} in a turn"
    return _chart("Prompt tokens", told, drawn, short, _LEGEND)


def _prompt(number: int, turn: Turn, leads: Leads) -> Bar:
    cached = min(turn.cached_tokens or 0, turn.prompt_tokens or 0)
    computed = (turn.prompt_tokens or 0) - cached
    label = f"turn {number}: {count(computed)} computed, {count(cached)} cached"
    if turn.cached_tokens is None:
        label = f"turn {number}: {count(turn.prompt_tokens)}, what of it was cached is not known"
    return Bar(label, leads(turn), (("computed", computed), ("cached", cached)))


def _bars(
    turns: Sequence[Turn], leads: Leads, tone: str, amount: Callable[[Turn], float | None], said: Says
) -> list[Bar]:
    return [
        Bar(f"turn {number}: {said(amount(turn))}", leads(turn), ((tone, amount(turn) or 0.0),))
        for number, turn in enumerate(turns, 1)
    ]
