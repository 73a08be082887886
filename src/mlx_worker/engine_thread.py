"""The engine: one thread that loads the model and owns every array; everyone else talks to it through a queue.

Its life: loading -> ready -> draining -> gone, or dead from anywhere: the model cannot be loaded, the thread met an
error that it cannot survive, or `MAX_FAILURES` batches in a row failed. When it is dead, all requests fail at once and
/health says why; `died` is called, so that the program may end and be started again. A heartbeat, once a turn, tells a
hung engine from a busy one.

What others want to know of the cache is looked up on the engine's thread, between two turns.
"""

import gc
import logging
import math
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from mlx_worker.engine import (
    AnswerShape,
    CachedPrefix,
    Conversation,
    EngineStatus,
    Failed,
    Generation,
    Memory,
    ModelCard,
    Prompt,
    Sink,
    State,
)
from mlx_worker.errors import EngineFailure, ModelLoadError, NotReady, QueueFull, WorkerError
from mlx_worker.jobs import Figures, Job, Limits
from mlx_worker.prefix_list import PrefixList
from mlx_worker.prompts import build_prompt
from mlx_worker.runner import Runner, RunnerLost
from mlx_worker.turns import Turns

log = logging.getLogger("mlx_worker")

IDLE_SECONDS = 0.5
HUNG_SECONDS = 30.0
PUT_AWAY_SECONDS = 5.0
LIST_SECONDS = 1.0
MAX_FAILURES = 3
LONGEST_RETRY = 30  # seconds
LEAVING = "the worker is shutting down"


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


class EngineThread:
    """An `Engine` (see there). `load` makes the runner, on the engine's thread, or raises ModelLoadError.

    memory: reads the figures of the memory, for a limit in bytes. died: told once, on the engine's thread, with the
    error, when it is dead.
    """

    def __init__(
        self,
        load: Callable[[], Runner],
        limits: Limits,
        *,
        memory: Callable[[int], Memory] | None = None,
        died: Callable[[BaseException], None] = lambda error: None,
    ) -> None:
        self._load, self._memory, self._died = load, memory, died
        self._limits = limits
        self._thread = threading.Thread(target=self._main, name="mlx-engine", daemon=True)
        self._inbox: queue.SimpleQueue[Job | Errand | None] = queue.SimpleQueue()
        self._lock = threading.RLock()  # a signal may come while this very thread holds it
        self._queued = self._arrivals = 0
        self._state: State = "loading"
        self._reason: str | None = None
        self._stopping = False
        self._runner: Runner | None = None
        self._turns: Turns | None = None
        self._list = PrefixList()
        self._listed: tuple[float, Sequence[CachedPrefix]] = (0.0, ())
        self._beat = time.monotonic()
        self._longest_turn = 0.0

    # -- asked from other threads ---------------------------------------------------------------------------------

    @property
    def card(self) -> ModelCard | None:
        return self._runner.card if self._runner else None

    def start(self) -> None:
        self._thread.start()

    def stop(self, deadline: float) -> None:
        self.drain()
        self._stopping = True
        self._inbox.put(None)
        if self._thread.is_alive():
            self._thread.join(deadline)

    def drain(self) -> None:
        with self._lock:
            if self._state in ("loading", "ready"):
                self._state, self._reason = "draining", LEAVING
        self._inbox.put(None)

    def status(self) -> EngineStatus:
        turns = self._turns
        figures = turns.figures if turns else Figures()
        prefilling = list(turns.prefilling) if turns else []
        waiting = list(turns.waiting) if turns else []
        active = sum(not job.warm for job in prefilling) + (len(turns.decoding) if turns else 0)
        age = time.monotonic() - self._beat
        return EngineStatus(
            state=self._state,
            reason=self._reason,
            active=active,
            waiting=self._queued,
            room=self._room(active),
            warming=sum(job.warm for job in (*waiting, *prefilling)),
            queued_tokens=sum(job.remaining for job in (*waiting, *prefilling) if not job.warm),
            heartbeat_age=age,
            hung=self._state in ("ready", "draining") and age > max(HUNG_SECONDS, 3 * self._longest_turn),
            prefill_tps=figures.prefill.tps,
            decode_tps=figures.decode.tps,
            finished=figures.finished,
            failed=figures.failed,
            cancelled=figures.cancelled,
            consecutive_failures=figures.consecutive_failures,
            average_seconds=figures.average_seconds,
            cache=turns.cache.figures() if turns else None,
            memory=self._memory(self._runner.memory().limit) if self._memory and self._runner else None,
            draft=self._runner.drafted if self._runner else None,
        )

    def _room(self, active: int) -> int:
        """Those that begin at once, and those that wait then; nobody is let in while the queue is full."""
        queue = max(self._limits.max_queue - self._queued, 0)
        return queue + max(self._limits.max_batch - active, 0) if queue else 0

    def give_up(self, reason: str) -> None:
        """It is over: told by whoever sees from outside that the thread cannot go on, and may itself hang."""
        log.error("%s", reason)
        self._die(reason, RuntimeError(reason))

    def check_room(self, preparing: int) -> None:
        if self._state != "ready":
            raise self._refusal()
        if self._queued + preparing >= self._limits.max_queue:
            raise QueueFull(self._limits.max_queue, self._retry_after())

    def prepare(self, conversation: Conversation, shape: AnswerShape | None = None) -> Prompt:
        runner = self._ready_runner()
        prompt = build_prompt(runner.chat, conversation)
        if shape is not None:
            runner.compile(conversation.tools, shape)
        return prompt

    def count(self, text: str) -> int:
        return len(self._ready_runner().chat.encode(text))

    def cached(self, prompt: Prompt) -> Future[int]:
        def look(turns: Turns) -> int:
            hit = turns.cache.peek(prompt.tokens)
            return hit.length if hit else 0

        return self._between_turns(look)

    def prefixes(self) -> Sequence[CachedPrefix]:
        return self._listed[1]

    def drop_cache(self) -> Future[int]:
        runner = self._ready_runner()

        def drop(turns: Turns) -> int:
            runner.chat.forget()
            dropped = turns.prefixes.forget()
            self._listed = (time.monotonic(), ())
            return dropped

        return self._between_turns(drop)

    def submit(self, generation: Generation, sink: Sink) -> Job:
        with self._lock:
            if self._state != "ready":
                raise self._refusal()
            if self._queued >= self._limits.max_queue and not generation.warm:
                raise QueueFull(self._limits.max_queue, self._retry_after())
            self._queued += not generation.warm
            self._arrivals += 1
            job = Job(generation, sink, self._arrivals)
            self._inbox.put(job)
        return job

    def cancel(self, ticket: object) -> None:
        assert isinstance(ticket, Job)
        ticket.cancelled = True
        self._inbox.put(None)

    def _between_turns(self, work: Callable[[Turns], int]) -> Future[int]:
        """Have the engine's thread do something small that does not compute. Raises NotReady."""
        errand = Errand(work)
        with self._lock:
            if self._state != "ready":
                raise self._refusal()
            self._inbox.put(errand)
        return errand.answer

    def _ready_runner(self) -> Runner:
        if self._runner is None or self._state != "ready":
            raise self._refusal()
        return self._runner

    def _retry_after(self) -> int:
        """Seconds until a place in the queue is likely to be free: when the average request has been served."""
        seconds = self._turns.figures.average_seconds if self._turns else 0.0
        return min(max(math.ceil(seconds / self._limits.max_batch), 1), LONGEST_RETRY)

    def _refusal(self) -> NotReady:
        reason = self._reason or "the model is still loading"
        return NotReady(reason, retry_after=None if self._state == "dead" else 2)

    # -- the thread -----------------------------------------------------------------------------------------------

    def _main(self) -> None:
        try:
            started = time.monotonic()
            self._runner = self._load()
            self._turns = Turns(self._runner, self._limits, self._leave_queue)
            gc.freeze()
            log.info("%s, loaded in %.1f s", _described(self._runner), time.monotonic() - started)
            with self._lock:
                self._state = "ready" if self._state == "loading" else self._state
            self._loop(self._turns)
            self._turns.prefixes.put_away(time.monotonic() + PUT_AWAY_SECONDS)
            self._runner.close()
            self._end()
            log.info("the engine has ended: %s", _summary(self._turns.figures))
        except (ModelLoadError, RunnerLost) as error:
            log.error("%s", error)
            self._die(str(error), error)
        except BaseException as error:  # the last stand of the thread: whoever waits must hear of it
            log.exception("the engine died")
            self._die(f"the engine died: {type(error).__name__}: {error}", error)

    def _loop(self, turns: Turns) -> None:
        draining = False
        while not self._stopping:
            self._take(turns)
            if self._state == "draining" and not draining:  # told here: a signal's catcher must not write
                draining = True
                in_work = len(turns.waiting) + len(turns.prefilling) + len(turns.decoding)
                log.info("draining: no new requests are taken, %d are in work", in_work)
            started = self._beat = time.monotonic()
            turns.turn()
            now = time.monotonic()
            self._longest_turn = max(self._longest_turn * 0.99, now - started)
            if now - self._listed[0] >= LIST_SECONDS or turns.idle:
                self._listed = (now, self._list.look(turns.prefixes))
            if turns.figures.consecutive_failures >= MAX_FAILURES:
                raise RuntimeError(f"{MAX_FAILURES} failures in a row, see the log; restart the worker")

    def _take(self, turns: Turns) -> None:
        """Let new requests in; with nothing to do, wait for one."""
        try:
            item = self._inbox.get(timeout=IDLE_SECONDS) if turns.idle else self._inbox.get_nowait()
            while True:
                if isinstance(item, Job):
                    self._list.name(item.generation)
                    turns.add(item)
                elif item is not None:
                    item.run(turns)
                item = self._inbox.get_nowait()
        except queue.Empty:
            if turns.idle:
                turns.rest()

    def _leave_queue(self) -> None:
        with self._lock:
            self._queued -= 1

    def _die(self, reason: str, error: BaseException) -> None:
        """What was told first stays: the rest follows from it."""
        with self._lock:
            first = self._state != "dead"
            if first:
                self._state, self._reason = "dead", reason
        self._end()
        if first:
            self._died(error)

    def _end(self) -> None:
        """Everyone still here hears that it is over. Nobody new can come: the state has been set before."""
        reason = self._reason or LEAVING
        error: WorkerError = EngineFailure(reason) if self._state == "dead" else NotReady(reason)
        if self._turns is not None:
            self._turns.end(error)
        self._answer_inbox(error)
        self._queued = 0

    def _answer_inbox(self, error: WorkerError) -> None:
        while not self._inbox.empty():
            match self._inbox.get_nowait():
                case Job() as job:
                    job.sink(Failed(error))
                case Errand() as errand:
                    errand.answer.set_exception(error)


def _described(runner: Runner) -> str:
    card, memory = runner.card, runner.memory()
    tools = "takes tools" if card.supports_tools else "takes no tools"
    room = f"{memory.used / 1e9:.1f} GB of {memory.limit / 1e9:.1f} in use"
    return f"ready: {card.id}, {card.context_length} tokens of context, {tools}, {room}"


def _summary(figures: Figures) -> str:
    return f"{figures.finished} requests finished, {figures.failed} failed, {figures.cancelled} cancelled"
