"""The engine: one thread that loads the model and owns every array; everyone else talks to it through a queue.

Its life: loading -> ready -> draining -> gone, or dead from anywhere: the model cannot be loaded, the thread met an
error that it cannot survive, or `MAX_FAILURES` batches in a row failed. When it is dead, all requests fail at once and
/health says why. A heartbeat, once a turn, tells a hung engine from a busy one.
"""

import gc
import logging
import queue
import threading
import time
from collections.abc import Callable

from mlx_worker.engine import Conversation, EngineStatus, Failed, Generation, ModelCard, Prompt, Sink, State
from mlx_worker.errors import EngineFailure, ModelLoadError, NotReady, QueueFull, WorkerError
from mlx_worker.jobs import Figures, Job, Limits
from mlx_worker.prompts import build_prompt
from mlx_worker.runner import Runner
from mlx_worker.turns import Turns

log = logging.getLogger("mlx_worker")

IDLE_SECONDS = 0.5
HUNG_SECONDS = 30.0
PUT_AWAY_SECONDS = 5.0
MAX_FAILURES = 3
LEAVING = "the worker is shutting down"


class EngineThread:
    """An `Engine` (see there). `load` makes the runner, on the engine's thread, or raises ModelLoadError."""

    def __init__(self, load: Callable[[], Runner], limits: Limits) -> None:
        self._load = load
        self._limits = limits
        self._thread = threading.Thread(target=self._main, name="mlx-engine", daemon=True)
        self._inbox: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._queued = self._arrivals = 0
        self._state: State = "loading"
        self._reason: str | None = None
        self._stopping = False
        self._runner: Runner | None = None
        self._turns: Turns | None = None
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

    def status(self) -> EngineStatus:
        turns = self._turns
        figures = turns.figures if turns else Figures()
        prefilling = list(turns.prefilling) if turns else []
        waiting = list(turns.waiting) if turns else []
        age = time.monotonic() - self._beat
        return EngineStatus(
            state=self._state,
            reason=self._reason,
            active=len(prefilling) + (len(turns.decoding) if turns else 0),
            waiting=self._queued,
            queued_tokens=sum(job.remaining for job in (*waiting, *prefilling)),
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
        )

    def prepare(self, conversation: Conversation) -> Prompt:
        if self._runner is None or self._state != "ready":
            raise self._refusal()
        return build_prompt(self._runner.chat, conversation)

    def submit(self, generation: Generation, sink: Sink) -> Job:
        with self._lock:
            if self._state != "ready":
                raise self._refusal()
            if self._queued >= self._limits.max_queue:
                raise QueueFull(self._limits.max_queue)
            self._queued += 1
            self._arrivals += 1
            job = Job(generation, sink, self._arrivals)
            self._inbox.put(job)
        return job

    def cancel(self, ticket: object) -> None:
        assert isinstance(ticket, Job)
        ticket.cancelled = True
        self._inbox.put(None)

    def _refusal(self) -> NotReady:
        reason = self._reason or "the model is still loading"
        return NotReady(reason, retry_after=None if self._state == "dead" else 2)

    # -- the thread -----------------------------------------------------------------------------------------------

    def _main(self) -> None:
        try:
            self._runner = self._load()
            self._turns = Turns(self._runner, self._limits, self._leave_queue)
            gc.freeze()
            with self._lock:
                self._state = "ready" if self._state == "loading" else self._state
            self._loop(self._turns)
            self._turns.put_away(time.monotonic() + PUT_AWAY_SECONDS)
            self._runner.close()
            self._end()
        except ModelLoadError as error:
            log.error("%s", error)
            self._die(str(error))
        except BaseException as error:  # the last stand of the thread: whoever waits must hear of it
            log.exception("the engine died")
            self._die(f"the engine died: {type(error).__name__}: {error}")

    def _loop(self, turns: Turns) -> None:
        while not self._stopping:
            self._take(turns)
            started = self._beat = time.monotonic()
            turns.turn()
            self._longest_turn = max(self._longest_turn * 0.99, time.monotonic() - started)
            if turns.figures.consecutive_failures >= MAX_FAILURES:
                raise RuntimeError(f"{MAX_FAILURES} failures in a row, see the log; restart the worker")

    def _take(self, turns: Turns) -> None:
        """Let new requests in; with nothing to do, wait for one."""
        try:
            job = self._inbox.get(timeout=IDLE_SECONDS) if turns.idle else self._inbox.get_nowait()
            while True:
                if job is not None:
                    turns.add(job)
                job = self._inbox.get_nowait()
        except queue.Empty:
            if turns.idle:
                turns.rest()

    def _leave_queue(self) -> None:
        with self._lock:
            self._queued -= 1

    def _die(self, reason: str) -> None:
        with self._lock:
            self._state, self._reason = "dead", reason
        self._end()

    def _end(self) -> None:
        """Everyone still here hears that it is over. Nobody new can come: the state has been set before."""
        reason = self._reason or LEAVING
        error: WorkerError = EngineFailure(reason) if self._state == "dead" else NotReady(reason)
        if self._turns is not None:
            self._turns.end(error)
        while not self._inbox.empty():
            if job := self._inbox.get_nowait():
                job.sink(Failed(error))
        self._queued = 0
