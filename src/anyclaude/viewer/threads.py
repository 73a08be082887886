"""Who asked: the turns of a session by the agents that took them, so that they are told apart."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from anyclaude.trace.turn import Turn

MAIN: Final = "main"

_BESIDE: Final[Mapping[str, str]] = {
    "background": "titles, summaries",
    "classifier": "permission checks",
    "search": "web searches",
    "check": "checks of the model",
}
"""Side requests by their role: nobody's conversation."""


@dataclass(frozen=True, slots=True)
class Thread:
    """key: for addresses. name: for people. about: what it was to do. turns: in order of time."""

    key: str
    name: str
    about: str
    turns: tuple[Turn, ...]

    @property
    def is_beside(self) -> bool:
        return self.key in _BESIDE


def key_of(turn: Turn) -> str:
    """Which thread of its session a turn belongs to."""
    if turn.role in _BESIDE:
        return turn.role
    return f"agent:{turn.agent}" if turn.agent else MAIN


def threads(turns: Iterable[Turn]) -> list[Thread]:
    """The main conversation, then subagents in the order in which they began, then what is asked beside them."""
    found: dict[str, list[Turn]] = {}
    for turn in turns:
        found.setdefault(key_of(turn), []).append(turn)
    agents = [key for key in found if key != MAIN and key not in _BESIDE]
    numbers = {key: number for number, key in enumerate(agents, 1)}
    keys = [*([MAIN] if MAIN in found else []), *agents, *(key for key in _BESIDE if key in found)]
    return [_thread(key, found[key], numbers) for key in keys]


def _thread(key: str, turns: Sequence[Turn], numbers: Mapping[str, int]) -> Thread:
    if key == MAIN:
        return Thread(key, "main", "", tuple(turns))
    if key in _BESIDE:
        return Thread(key, _BESIDE[key], "", tuple(turns))
    parent = numbers.get(f"agent:{turns[0].parent}")
    of = f" of {parent}" if parent else ""
    return Thread(key, f"subagent {numbers[key]}{of}", turns[0].opening, tuple(turns))
