"""Records told apart by who asked, each conversation put together from requests that all repeat its beginning.

A request is compared with the one before it by what people and models said: thoughts and reminders come and go in a
history without its being another.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, Final

from anyclaude.trace.conversation import Block, Said, Text, Thinking, answer, matched, messages_of
from anyclaude.trace.parts import request_body
from anyclaude.trace.slowness import Slowness, slowness
from anyclaude.trace.turn import Turn, turn_of

CONVERSED: Final = ("main", "subagent")
"""Roles of requests that go on from each other; the others stand alone."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of a thread."""

    turn: Turn
    slow: Slowness


@dataclass(frozen=True, slots=True)
class Thread:
    """What one agent asked in one role, in order. said: each message once, calls with their results."""

    session: str
    agent: str
    role: str
    asked: tuple[Asked, ...]
    said: tuple[Said, ...]


def threads(records: Iterable[Mapping[str, Any]]) -> list[Thread]:
    """Of records in the order of their time; one after the other is looked at, and let go of.

    The main conversation comes first, then subagents in the order in which they began, then what was asked beside them.
    """
    found: dict[tuple[str, str, str], _Told] = {}
    for record in records:
        turn = turn_of(record, "", 0.0)
        found.setdefault((turn.session, turn.agent, turn.role), _Told()).add(record, turn)
    ordered = sorted(found, key=lambda key: (*CONVERSED, key[2]).index(key[2]))
    return [Thread(*key, tuple(found[key].asked), tuple(matched(found[key].said))) for key in ordered]


@dataclass(slots=True)
class _Told:
    asked: list[Asked] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    history: list[Said] = field(default_factory=list)
    before: Mapping[str, Any] | None = None

    def add(self, record: Mapping[str, Any], turn: Turn) -> None:
        goes_on = turn.role in CONVERSED
        self.asked.append(Asked(turn, slowness(record, self.before if goes_on else None)))
        messages = list(messages_of(request_body(record).get("messages")))
        self.said += [*(self._new(messages) if goes_on else messages), answer(record)]
        self.history, self.before = messages, record

    def _new(self, messages: Sequence[Said]) -> Iterator[Said]:
        """Those that were not told yet; that the history is another one, where that is so."""
        pairs = zip(map(_words, self.history), map(_words, messages), strict=False)
        shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        new = list(messages[shared:])
        if shared < len(self.history):
            yield Said("anyclaude", (Text(_other(shared, len(self.history))),))
        elif self.history and new and new[0].who == "assistant":
            del new[0]  # the last answer
        yield from new


def _words(said: Said) -> tuple[str, tuple[Block, ...]]:
    return said.who, tuple(block for block in said.blocks if not _passes(block))


def _passes(block: Block) -> bool:
    return isinstance(block, Thinking) or (isinstance(block, Text) and block.reminder)


def _other(shared: int, of: int) -> str:
    begins = f"It begins with {shared} of the {of} messages before." if shared else "Nothing before is in it."
    return f"From here on the history is another one. {begins}"
