"""Conversations as Claude Code holds them, with real requests: a shared prefix, tool loops, subagents, small requests.

The texts are filler and the tools take no free text, so that the random weights of a tiny model make real calls of
them when they have to. Each agent draws from numbers of its own: every strategy gets the same prompts, results and
pauses, as far as the answers' words, which depend on nothing but the prompt, allow.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import question  # noqa: F401  (makes the tests' generators importable)
from tests.support.filler import filler

from anyclaude.wire.events import ModelEvent, TextDelta, ToolArgsDelta, ToolCallStart
from anyclaude.wire.json import decode_lenient

SUBAGENTS: Final = 0.06
SIDE_REQUESTS: Final = 0.1
ANSWER_TOKENS: Final = 48
SMALL_TOKENS: Final = 8
TITLE_BYTES: Final = 100
TOOLS_BYTES: Final = 1_570
"""What the tools come to in a prompt, as text of so many bytes."""

KINDS: Final[Mapping[str, float]] = {"main": 1.0, "explore": 0.56, "plan": 0.56, "general": 0.63}
"""The prefix of each kind of agent, as a share of the main one's. Claude Code 2.1.197 sends 19,100 tokens of system
prompt and tools as the main agent, 10,700 and 11,900 as the subagents Explore and general-purpose; the messages of a
first turn are a thirteenth of it, a title's request a fiftieth."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked. prefix, first, results: bytes of text, two or so for each token. arrivals, thinking: seconds.

    A main agent's first prompt takes some 2,900 tokens, a seventh of Claude Code's, and each turn adds 150 or so.
    """

    sessions: int = 9
    turns: int = 20
    prefix: int = 3_500
    first: tuple[int, int] = (100, 500)
    results: tuple[int, ...] = (40, 100, 250, 550)
    arrivals: float = 10.0
    thinking: float = 2.0
    seed: int = 1

    def sized(self, factor: float) -> "Load":
        """The same with shorter or longer texts."""
        least, most = self.first
        return replace(
            self,
            prefix=int(factor * self.prefix),
            first=(int(factor * least), int(factor * most)),
            results=tuple(int(factor * each) for each in self.results),
        )

    def again(self, number: int) -> "Load":
        """The same with other words, of a later round."""
        return replace(self, seed=self.seed + number)


@dataclass(frozen=True, slots=True)
class Question:
    """One request of an agent; `small`: a title or the like, which nobody waits for."""

    session: str
    agent: str | None
    kind: str
    body: Mapping[str, Any]
    small: bool = False


Ask = Callable[[Question], Awaitable[Sequence[ModelEvent]]]


async def converse(load: Load, ask: Ask) -> None:
    """All sessions to their ends, the first questions spread over `arrivals`."""
    starts = random.Random(load.seed)
    async with asyncio.TaskGroup() as group:
        for number in range(load.sessions):
            agent = Agent(load, ask, f"{load.seed}.{number}", group)
            group.create_task(agent.live(load.turns, starts.uniform(0, load.arrivals)))


@dataclass(slots=True)
class Agent:
    """One conversation. name: None for the main agent of its session. side: where small requests go on alone."""

    load: Load
    ask: Ask
    session: str
    side: asyncio.TaskGroup
    name: str | None = None
    kind: str = "main"
    messages: list[dict[str, Any]] = field(default_factory=list)
    children: int = 0
    rng: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.rng = random.Random(f"{self.load.seed} {self.session} {self.name}")

    async def live(self, turns: int, wait: float) -> None:
        """So many turns, after so many seconds."""
        await asyncio.sleep(wait)
        self.messages.append({"role": "user", "content": self._text(self.rng.randint(*self.load.first), "first")})
        if self.name is None:
            self._beside()
        for turn in range(turns):
            events = await self.ask(Question(self.session, self.name, self.kind, self._body()))
            await self._work()
            self.messages += _exchange(events, turn, self._text(self.rng.choice(self.load.results), f"result {turn}"))

    def _body(self) -> Mapping[str, Any]:
        return {**beginning(self.kind, self.load), "messages": list(self.messages)}

    async def _work(self) -> None:
        """The tools, the person, and now and then subagents, for which it waits."""
        if self.name is None and self.rng.random() < SUBAGENTS:
            await asyncio.gather(*(self._child() for _ in range(self.rng.randint(1, 3))))
        if self.name is None and self.rng.random() < SIDE_REQUESTS:
            self._beside()
        await asyncio.sleep(self.rng.expovariate(1 / self.load.thinking) if self.load.thinking else 0)

    async def _child(self) -> None:
        self.children += 1
        kind = self.rng.choice([kind for kind in KINDS if kind != "main"])
        child = Agent(self.load, self.ask, self.session, self.side, f"a{self.children}", kind)
        await child.live(max(1, self.load.turns * self.rng.randint(3, 8) // 25), self.rng.uniform(0.1, 1.0))

    def _beside(self) -> None:
        asked = [{"role": "user", "content": self._text(TITLE_BYTES, f"title {len(self.messages)}")}]
        body = {"model": "any", "max_tokens": SMALL_TOKENS, "system": "A title.", "tools": [], "messages": asked}
        self.side.create_task(_answered(self.ask(Question(self.session, None, "title", body, small=True))))

    def _text(self, size: int, what: str) -> str:
        return filler(size, f"{self.session} {self.name} {what}")


def beginning(kind: str, load: Load) -> Mapping[str, Any]:
    """A request with nothing but the prefix of one kind of agent."""
    return {
        "model": "any",
        "max_tokens": ANSWER_TOKENS,
        "temperature": 0,
        "system": filler(max(int((load.prefix + TOOLS_BYTES) * KINDS[kind]) - TOOLS_BYTES, 0), kind),
        "tools": TOOLS,
        "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
        "messages": [{"role": "user", "content": "."}],
    }


async def _answered(answer: Awaitable[object]) -> None:
    await answer


def _exchange(events: Sequence[ModelEvent], turn: int, result: str) -> list[dict[str, Any]]:
    """What the model did, as it is sent back, and what came of it."""
    blocks = list(_blocks(events))
    calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
    results: list[dict[str, Any]] = [{"type": "tool_result", "tool_use_id": each, "content": result} for each in calls]
    spoken = blocks or [{"type": "text", "text": "Nothing."}]
    told = results or [{"type": "text", "text": f"Go on, {turn}. {result}"}]
    return [{"role": "assistant", "content": spoken}, {"role": "user", "content": told}]


def _blocks(events: Sequence[ModelEvent]) -> Iterator[dict[str, Any]]:
    """Text and whole calls. A call that was cut by its limit was never made."""
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    if text.strip():
        yield {"type": "text", "text": text}
    starts = [place for place, event in enumerate(events) if isinstance(event, ToolCallStart)]
    for place in starts:
        start = events[place]
        assert isinstance(start, ToolCallStart)
        until = next((later for later in starts if later > place), len(events))
        arguments = "".join(event.json for event in events[place:until] if isinstance(event, ToolArgsDelta))
        if isinstance(given := decode_lenient(arguments), dict):
            yield {"type": "tool_use", "id": start.id, "name": start.name, "input": given}


def _tool(name: str) -> dict[str, Any]:
    members = {"part": {"enum": list("abcdefgh")}, "line": {"type": "integer", "minimum": 0, "maximum": 99}}
    schema = {"type": "object", "properties": members, "required": ["part", "line"], "additionalProperties": False}
    return {"name": name, "description": filler(150, name), "input_schema": schema}


TOOLS: Final = [_tool(name) for name in ("Look", "Seek", "Count")]
