"""What the plots of the documents are made of: tables read from Markdown, and marks of SVG.

Written by hand, because a few figures are no reason for a library of plots.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import Final

LEFT: Final = 170
RIGHT: Final = 730
TOP: Final = 60
WIDTH: Final = 760

Row = Mapping[str, str]
Point = tuple[float, float]
Scale = Callable[[float], float]


def table(markdown: str, head: str) -> Iterator[list[Row]]:
    """The tables that begin with that head, row by row."""
    lines = markdown.splitlines()
    for place, names in enumerate(lines):
        if names.startswith(head):
            rows = takewhile(lambda row: row.startswith("|"), lines[place + 2 :])
            yield [dict(zip(_cells(names), _cells(row), strict=True)) for row in rows]


@dataclass(frozen=True, slots=True)
class Axis:
    """A logarithmic one. ticks: labels by their values."""

    low: float
    high: float
    ticks: Mapping[float, str]


def curves(title: str, series: Mapping[str, Sequence[Point]], colours: Mapping[str, str], x: Axis, y: Axis) -> str:
    """A line through the points of each series, in its colour."""
    bottom = 400
    across, up = logarithmic(x.low, x.high), logarithmic(y.low, y.high, bottom, TOP + 20)
    marks = [upright(across(value), bottom, TOP + 10, label) for value, label in x.ticks.items()]
    for value, label in y.ticks.items():
        marks += [line(LEFT, up(value), RIGHT, up(value), "#ddd"), text(LEFT - 8, up(value) + 4, label, "end")]
    for name, measured in series.items():
        points = [(across(one), up(other)) for one, other in measured]
        marks += [line(*one, *other, colours[name], 2) for one, other in pairwise(points)]
        marks += [f'<circle cx="{at:.1f}" cy="{to:.1f}" r="4" fill="{colours[name]}"/>' for at, to in points]
    return framed(title, [*marks, *legend({name: colours[name] for name in series})], bottom + 40)


def legend(colours: Mapping[str, str]) -> Iterator[str]:
    for place, (name, colour) in enumerate(colours.items()):
        x = LEFT + 140 * place
        yield f'<rect x="{x}" y="36" width="12" height="12" fill="{colour}"/>'
        yield text(x + 18, 46, name)


def logarithmic(low: float, high: float, start: float = LEFT, end: float = RIGHT) -> Scale:
    return lambda value: start + (end - start) * math.log(value / low) / math.log(high / low)


def linear(low: float, high: float) -> Scale:
    return lambda value: LEFT + (RIGHT - LEFT) * (value - low) / (high - low)


def upright(x: float, bottom: float, top: float, label: str) -> str:
    return line(x, bottom, x, top, "#ddd") + text(x, bottom + 18, label, "middle")


def line(x: float, y: float, to_x: float, to_y: float, colour: str, width: int = 1) -> str:
    places = f'x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}"'
    return f'<line {places} stroke="{colour}" stroke-width="{width}"/>'


def text(x: float, y: float, words: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{words}</text>'


def framed(title: str, marks: Sequence[str], height: int) -> str:
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12" fill="#222">'
    ground = f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>'
    name = f'<title>{title}</title><text x="{LEFT}" y="22" font-size="14" font-weight="bold">{title}</text>'
    return "\n".join([head, ground, name, *marks, "</svg>"]) + "\n"


def column(rows: Sequence[Row], name: str) -> list[float]:
    return [number(row[name]) for row in rows]


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip().strip("|").split("|")]


def number(cell: str) -> float:
    return float(cell.split()[0])
