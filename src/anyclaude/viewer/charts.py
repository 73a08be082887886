"""Charts as inline SVG: shapes alone, stretched to the width there is. Words stand beside them in HTML, so they stay
readable on a phone, and each chart is said in a sentence too.

Sizes are attributes of the shapes, never styles: the Content-Security-Policy allows none in a page.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

from markupsafe import Markup

MOST_BARS: Final = 120
"""More values are shown as means of neighbours."""

_FEWEST_PLACES: Final = 12
"""Few bars do not become boards: so many have room at least."""

_STEP, _BAR, _HEIGHT = 10, 8, 100
_WIDTH: Final = 1000
"""Of a strip, in its own units."""

_LEAST: Final = 0.4
"""Per cent of a strip: what is there is seen."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One value of a chart. parts: (tone, amount), from the bottom. link: where it leads. label: what it says."""

    label: str
    link: str
    parts: tuple[tuple[str, float], ...]

    @property
    def total(self) -> float:
        return sum(amount for _, amount in self.parts)


@dataclass(frozen=True, slots=True)
class Chart:
    """told: the chart in a sentence. said: how it says an amount. legend: (tone, name)."""

    title: str
    told: str
    bars: tuple[Bar, ...]
    said: Callable[[float], str]
    legend: tuple[tuple[str, str], ...] = ()

    @property
    def highest(self) -> float:
        return max((bar.total for bar in self.bars), default=0)

    def drawn(self, highest: float) -> Markup:
        """highest: the amount that fills the height, the same for charts that stand side by side."""
        return bars(self.bars, self.told, highest)


def bars(values: Sequence[Bar], told: str, highest: float | None = None) -> Markup:
    """Stacked bars from left to right. told: what the chart shows, in a sentence."""
    fewer = list(_fewer(values))
    highest = highest or max((bar.total for bar in fewer), default=0) or 1
    width = _STEP * max(len(fewer), _FEWEST_PLACES)
    drawn = Markup("").join(_bar(bar, _STEP * place, _HEIGHT / highest) for place, bar in enumerate(fewer))
    return Markup(
        '<svg class="bars" role="img" aria-label="{}" viewBox="0 0 {} {}" preserveAspectRatio="none">{}</svg>'
    ).format(told, width, _HEIGHT, drawn)


def strip(parts: Iterable[tuple[str, float, float]], whole: float) -> Markup:
    """One line of a waterfall: (tone, from, to) of a whole. What it shows must stand beside it in words."""
    scale = _WIDTH / whole if whole > 0 else 0
    drawn = Markup("").join(
        Markup('<rect class="{}" x="{:.1f}" y="0" width="{:.1f}" height="10"/>').format(
            tone, began * scale, max((ended - began) * scale, _LEAST * 10)
        )
        for tone, began, ended in parts
        if ended >= began
    )
    return Markup(
        '<svg class="strip" aria-hidden="true" viewBox="0 0 {} 10" preserveAspectRatio="none">{}</svg>'
    ).format(_WIDTH, drawn)


def stacked(parts: Iterable[tuple[str, float | None]], whole: float | None = None) -> Markup:
    """Amounts side by side: (tone, amount). whole: what the full width stands for; None: their sum."""
    known = [(tone, amount) for tone, amount in parts if amount]
    placed, at = [], 0.0
    for tone, amount in known:
        placed.append((tone, at, at + amount))
        at += amount
    return strip(placed, whole or at)


def _bar(bar: Bar, x: float, scale: float) -> Markup:
    at, drawn = float(_HEIGHT), []
    for tone, amount in bar.parts:
        height = amount * scale
        at -= height
        shape = Markup('<rect class="{}" x="{}" y="{:.2f}" width="{}" height="{:.2f}"/>')
        drawn.append(shape.format(tone, x, at, _BAR, height))
    ground = Markup('<rect class="ground" x="{}" y="0" width="{}" height="{}"/>').format(x, _STEP, _HEIGHT)
    return Markup('<a href="{}" tabindex="-1"><title>{}</title>{}{}</a>').format(
        bar.link, bar.label, ground, Markup("").join(drawn)
    )


def _fewer(values: Sequence[Bar]) -> Iterable[Bar]:
    if len(values) <= MOST_BARS:
        return values
    step = ceil(len(values) / MOST_BARS)
    return (_mean(values[first : first + step]) for first in range(0, len(values), step))


def _mean(some: Sequence[Bar]) -> Bar:
    amounts: dict[str, float] = {}
    for tone, amount in (part for bar in some for part in bar.parts):
        amounts[tone] = amounts.get(tone, 0) + amount
    label = f"{some[0].label} … {some[-1].label}" if len(some) > 1 else some[0].label
    return Bar(label, some[0].link, tuple((tone, amount / len(some)) for tone, amount in amounts.items()))
