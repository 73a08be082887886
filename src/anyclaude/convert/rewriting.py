"""What Claude Code made different in the input of a call, as little as brings the model's own words back.

It can be kept where the words themselves should not: of nearly all inputs it is the order of the keys, white space at
the ends of lines, and a directory. Whatever the rules here do not know is kept whole.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from anyclaude.wire.json import encode

Change = Mapping[str, Any] | None
"""JSON, of one kind by its only key; None where nothing was changed.

keys: name and change of each member, in the model's order. items: place and change of those elements that differ.
tails: number of a line and the white space at its end. start: what stood before the text. whole: the value itself.
"""


def change_of(original: object, now: object) -> Change:
    """What `rewritten_back` needs to make `original` of `now`."""
    if encode(original) == encode(now):
        return None
    change = _smallest(original, now)
    return change if encode(rewritten_back(change, now)) == encode(original) else {"whole": original}


def rewritten_back(change: Change, now: Any) -> Any:
    """The value as it was. Raises ValueError for a change that is none of this value, or none at all."""
    if change is None:
        return now
    try:
        [(kind, said)] = change.items()
        return _BACK[kind](said, now)
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise ValueError("a change that does not belong to this value") from error


def _smallest(original: object, now: object) -> Mapping[str, Any]:
    match original, now:
        case Mapping(), Mapping() if original.keys() <= now.keys():
            return {"keys": [[name, change_of(value, now[name])] for name, value in original.items()]}
        case list(), list() if len(original) == len(now):
            changes = [change_of(one, other) for one, other in zip(original, now, strict=True)]
            return {"items": [[place, change] for place, change in enumerate(changes) if change is not None]}
        case str(), str() if original.endswith(now):
            return {"start": original.removesuffix(now)}
        case str(), str():
            return {"tails": _tails(original)}
    return {"whole": original}


def _tails(text: str) -> list[tuple[int, str]]:
    lines = text.split("\n")
    tails = ((number, line[len(line.rstrip()) :]) for number, line in enumerate(lines))
    return [(number, tail) for number, tail in tails if tail or number == len(lines) - 1]


def _with_tails(tails: Sequence[tuple[int, str]], now: str) -> str:
    """The last tail, which may be empty, tells how many lines there were."""
    lines = [line.rstrip() for line in now.rstrip().split("\n")]
    missing = tails[-1][0] + 1 - len(lines)
    if missing > _MOST_LINES:
        raise KeyError("lines")
    lines += [""] * missing
    for number, tail in tails:
        lines[number] += tail
    return "\n".join(lines)


def _with_items(items: Sequence[tuple[int, Change]], now: Sequence[Any]) -> list[Any]:
    changes = dict(items)
    return [rewritten_back(changes.get(place), value) for place, value in enumerate(now)]


_MOST_LINES = 100_000  # that are made of nothing: what is read here may be damaged
_BACK: Mapping[str, Callable[[Any, Any], Any]] = {
    "keys": lambda said, now: {name: rewritten_back(change, now[name]) for name, change in said},
    "items": _with_items,
    "start": lambda said, now: said + now,
    "tails": _with_tails,
    "whole": lambda said, now: said,
}
