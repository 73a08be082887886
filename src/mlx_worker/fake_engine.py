"""An engine without a model: it plays scripts. For tests of everything around the engine."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from mlx_worker.engine import CachedPrefix, EngineStatus, ModelCard
from mlx_worker.errors import NotReady, QueueFull, WorkerError
from mlx_worker.events import Event, Finished, Progress, Sink, TextPiece
from mlx_worker.generation import AnswerShape, Conversation, Generation, Prompt

HELLO: tuple[Event, ...] = (Progress(3, 4, 2), TextPiece("Hello"), TextPiece(" there"), Finished("stop", 3))


@dataclass(eq=False, slots=True)
class Ticket:
    """A submitted request. `play` says more to it, as the engine's thread would."""

    generation: Generation
    sink: Sink
    cancelled: threading.Event = field(default_factory=threading.Event)

    def play(self, *events: Event) -> None:
        for event in events:
            self.sink(event)


class FakeEngine:
    """Every request gets `script` at once. Prompts have one token a word. Set `refusal` to have submit raise it."""

    def __init__(self, script: Sequence[Event] = HELLO, *, context_length: int = 100) -> None:
        self.script = tuple(script)
        self.card: ModelCard | None = ModelCard("fake-model", context_length, supports_tools=True)
        self.refusal: WorkerError | None = None
        self.current = EngineStatus("loading")
        self.max_queue = 64
        self.entries: Sequence[CachedPrefix] = ()
        self.tickets: list[Ticket] = []
        self.conversations: list[Conversation] = []
        self.submitted = threading.Event()

    def start(self) -> None:
        self.current = replace(self.current, state="ready")

    def stop(self, deadline: float) -> None:
        self.drain()

    def drain(self) -> None:
        self.current = replace(self.current, state="draining")

    def status(self) -> EngineStatus:
        return self.current

    def check_room(self, preparing: int) -> None:
        if self.refusal is not None:
            raise self.refusal
        if self.current.state != "ready":
            raise NotReady(f"the model is {self.current.state}")
        if preparing >= self.max_queue:
            raise QueueFull(self.max_queue)

    def prepare(self, conversation: Conversation, shape: AnswerShape | None = None) -> Prompt:
        self.conversations.append(conversation)
        words = " ".join(message["content"] for message in conversation.messages).split()
        return Prompt(tokens=tuple(range(len(words))))

    def count(self, text: str) -> int:
        return len(text.split())

    def cached(self, prompt: Prompt) -> Future[int]:
        return _told(sum(entry.tokens for entry in self.entries))

    def prefixes(self) -> Sequence[CachedPrefix]:
        return self.entries

    def drop_cache(self) -> Future[int]:
        gone, self.entries = len(self.entries), ()
        return _told(gone)

    def submit(self, generation: Generation, sink: Sink) -> Ticket:
        self.check_room(0)
        ticket = Ticket(generation, sink)
        self.tickets.append(ticket)
        self.submitted.set()
        ticket.play(*self.script)
        return ticket

    def cancel(self, ticket: object) -> None:
        assert isinstance(ticket, Ticket)
        ticket.cancelled.set()


def _told(value: int) -> Future[int]:
    answer: Future[int] = Future()
    answer.set_result(value)
    return answer
