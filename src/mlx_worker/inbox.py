"""The way into the engine: what others ask of its thread, and whether it takes anything at all.

The engine's state is kept here, for it decides who is let in. Everything may be called from any thread.
"""

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field

from mlx_worker.engine import State
from mlx_worker.errors import EngineFailure, NotReady, QueueFull, WorkerError
from mlx_worker.events import Failed, Sink
from mlx_worker.generation import Generation
from mlx_worker.jobs import Job
from mlx_worker.turns import Turns

LEAVING = "the worker is shutting down"
HANGS = "the engine gives no sign of life"


@dataclass(frozen=True, slots=True)
class Errand:
    """Something small to do between two turns, for whoever waits for the answer."""

    work: Callable[[Turns], int]
    answer: Future[int] = field(default_factory=Future)

    def run(self, turns: Turns) -> None:
        if not self.answer.set_running_or_notify_cancel():
            return
        try:
            self.answer.set_result(self.work(turns))
        except Exception as error:  # it is whoever asked that is to hear of it, not the requests in work
            self.answer.set_exception(error)


class Inbox:
    """queued: requests accepted and not begun, without warming ones. reason: why it takes nothing, if it is said. hung:
    the engine does not move; nothing is taken until it does.

    retry_after: told with a refusal for want of room, in seconds.
    """

    def __init__(self, max_queue: int, retry_after: Callable[[], int]) -> None:
        self.state: State = "loading"
        self.reason: str | None = None
        self.queued = 0
        self.hung = False
        self._max_queue, self._retry_after = max_queue, retry_after
        self._arrivals = 0
        self._items: queue.SimpleQueue[Job | Errand | None] = queue.SimpleQueue()
        self._lock = threading.RLock()  # a signal may come while this very thread holds it

    # -- who asks -------------------------------------------------------------------------------------------------

    def submit(self, generation: Generation, sink: Sink) -> Job:
        """Raises QueueFull or NotReady."""
        with self._lock:
            self.check_ready()
            if not generation.warm:
                self._check_room(0)
            self.queued += not generation.warm
            self._arrivals += 1
            job = Job(generation, sink, self._arrivals)
            self._items.put(job)
        return job

    def between_turns(self, work: Callable[[Turns], int]) -> Future[int]:
        """Have the engine's thread do something small that does not compute. Raises NotReady."""
        errand = Errand(work)
        with self._lock:
            self.check_ready()
            self._items.put(errand)
        return errand.answer

    def check_room(self, preparing: int) -> None:
        """Whether there is room beside those still prepared. Raises QueueFull or NotReady."""
        self.check_ready()
        self._check_room(preparing)

    def check_ready(self) -> None:
        if self.state != "ready" or self.hung:
            raise self.refusal()

    def refusal(self) -> NotReady:
        if self.state == "ready":
            return NotReady(HANGS, retry_after=2)
        reason = self.reason or "the model is still loading"
        return NotReady(reason, retry_after=None if self.state == "dead" else 2)

    def wake(self) -> None:
        """Have the engine's thread look up, should it wait for something to do."""
        self._items.put(None)

    def drain(self) -> None:
        with self._lock:
            if self.state in ("loading", "ready"):
                self.state, self.reason = "draining", LEAVING
        self.wake()

    def _check_room(self, preparing: int) -> None:
        if self.queued + preparing >= self._max_queue:
            raise QueueFull(self._max_queue, self._retry_after())

    # -- the engine's thread --------------------------------------------------------------------------------------

    def open(self) -> None:
        """The model is loaded."""
        with self._lock:
            self.state = "ready" if self.state == "loading" else self.state

    def take(self, seconds: float) -> Iterator[Job | Errand]:
        """All that came; where that is nothing, wait for it so long."""
        with suppress(queue.Empty):
            item = self._items.get(timeout=seconds) if seconds else self._items.get_nowait()
            while True:
                if item is not None:
                    yield item
                item = self._items.get_nowait()

    def begun(self) -> None:
        """A request has left the queue."""
        with self._lock:
            self.queued -= 1

    def die(self, reason: str) -> bool:
        """Whether it was alive. What was told first stays: the rest follows from it."""
        with self._lock:
            first = self.state != "dead"
            if first:
                self.state, self.reason = "dead", reason
        return first

    def farewell(self) -> WorkerError:
        """What everyone still here is to hear when it is over."""
        reason = self.reason or LEAVING
        return EngineFailure(reason) if self.state == "dead" else NotReady(reason)

    def send_away(self, error: WorkerError) -> None:
        """Whoever waits in here need not wait for an engine that does not move."""
        with self._lock:
            for item in self.take(0):
                match item:
                    case Job() as job:
                        self.queued -= not job.warm
                        job.sink(Failed(error))
                    case Errand() as errand:
                        errand.answer.set_exception(error)

    def turn_out(self, error: WorkerError) -> None:
        """Whoever waits in here hears that it is over. Nobody new can come: the state has been set before."""
        while not self._items.empty():
            match self._items.get_nowait():
                case Job() as job:
                    job.sink(Failed(error))
                case Errand() as errand:
                    errand.answer.set_exception(error)
        self.queued = 0
