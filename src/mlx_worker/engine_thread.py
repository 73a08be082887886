"""The engine: one thread that loads the model and owns every array; everyone else talks to it through an inbox.

Here is what others ask of it, from their own threads; `engine_loop` is what the thread itself does. What they want to
know of the cache is looked up on the engine's thread, between two turns.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from mlx_worker.engine import CachedPrefix, EngineStatus, Memory, ModelCard
from mlx_worker.engine_loop import EngineLoop
from mlx_worker.errors import NotReady
from mlx_worker.events import Failed, Sink
from mlx_worker.generation import AnswerShape, Conversation, Generation, Prompt
from mlx_worker.inbox import HANGS, Inbox
from mlx_worker.jobs import Figures, Job, Limits
from mlx_worker.prompts import build_prompt
from mlx_worker.runner import Runner
from mlx_worker.turns import Turns

log = logging.getLogger("mlx_worker")

LONGEST_RETRY = 30  # seconds
LOOK_SECONDS = 0.25
"""Between two looks whether the engine hangs."""
PATIENCE_SECONDS = 1.0
"""For which it may count as hung before those who wait are sent away."""
PAUSE_SECONDS = 1.0
"""For which a look may be late before it says that the program was stopped: by Ctrl-Z, or with the machine."""
GIVEN_UP_SECONDS = 90.0


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
        self._limits, self._memory = limits, memory
        self._inbox = Inbox(limits.max_queue, self._retry_after)
        self._loop = EngineLoop(load, limits, self._inbox, died)
        self._thread = threading.Thread(target=self._loop.run, name="mlx-engine", daemon=True)
        self._stopped = threading.Event()

    @property
    def card(self) -> ModelCard | None:
        return self._loop.runner.card if self._loop.runner else None

    # -- its life -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        self._thread.start()
        threading.Thread(target=self._watch, name="mlx-watch", daemon=True).start()

    def stop(self, deadline: float) -> None:
        self.drain()
        self._loop.stopping = True
        self._inbox.wake()
        if self._thread.is_alive():
            self._thread.join(deadline)
        self._stopped.set()

    def drain(self) -> None:
        self._inbox.drain()

    def give_up(self, reason: str) -> None:
        """It is over: told by whoever sees from outside that the thread cannot go on, and may itself hang."""
        log.error("%s", reason)
        self._loop.die(reason, RuntimeError(reason))

    def _watch(self) -> None:
        """In a thread of its own. Who waits behind an engine that hangs may find another; who is in work may not."""
        looked = time.monotonic()
        while not self._stopped.wait(LOOK_SECONDS) and self._inbox.state != "dead":
            before, looked = looked, time.monotonic()
            if looked - before > LOOK_SECONDS + PAUSE_SECONDS:  # the whole program was stopped, not the engine
                self._loop.pace.beat = looked
            over = self._overdue()
            if over is None:
                self._inbox.hung = False
                continue
            if not self._inbox.hung:
                log.error("%s: a turn has taken %.1f s", HANGS, self._loop.pace.age)
            self._inbox.hung = True
            if over > PATIENCE_SECONDS:
                self._send_away()
            if self._loop.pace.age > GIVEN_UP_SECONDS:
                self.give_up(f"the engine gave no sign of life for {GIVEN_UP_SECONDS:.0f} seconds")

    def _overdue(self) -> float | None:
        """Seconds for which the engine has counted as hung; None while it does not."""
        turns = self._loop.turns
        over = self._loop.pace.age - self._loop.pace.limit(turns.doing if turns else "")
        return over if over > 0 and self._inbox.state in ("ready", "draining") else None

    def _send_away(self) -> None:
        error = NotReady(HANGS, retry_after=2)
        for job in list(self._loop.turns.waiting) if self._loop.turns else ():
            if not job.cancelled:
                job.cancelled = True  # should the engine come back, it lets it go
                job.tell(Failed(error))
        self._inbox.send_away(error)

    # -- how it is ------------------------------------------------------------------------------------------------

    def status(self) -> EngineStatus:
        turns, runner, state = self._loop.turns, self._loop.runner, self._inbox.state
        figures = turns.figures if turns else Figures()
        prefilling = list(turns.prefilling) if turns else []
        waiting = list(turns.waiting) if turns else []
        active = sum(not job.warm for job in prefilling) + (len(turns.decoding) if turns else 0)
        return EngineStatus(
            state=state,
            reason=self._inbox.reason,
            active=active,
            waiting=self._inbox.queued,
            room=self._room(active),
            warming=sum(job.warm for job in (*waiting, *prefilling)),
            queued_tokens=sum(job.remaining for job in (*waiting, *prefilling) if not job.warm),
            heartbeat_age=self._loop.pace.age,
            hung=self._overdue() is not None,
            prefill_tps=figures.prefill.tps,
            decode_tps=figures.decode.tps,
            finished=figures.finished,
            failed=figures.failed,
            cancelled=figures.cancelled,
            consecutive_failures=figures.consecutive_failures,
            average_seconds=figures.average_seconds,
            cache=turns.cache.figures() if turns else None,
            memory=self._memory(runner.memory().limit) if self._memory and runner else None,
            draft=runner.drafted if runner else None,
        )

    def _room(self, active: int) -> int:
        """Those that begin at once, and those that wait then; nobody is let in while the queue is full."""
        queue = max(self._limits.max_queue - self._inbox.queued, 0)
        return queue + max(self._limits.max_batch - active, 0) if queue else 0

    def _retry_after(self) -> int:
        """Seconds until a place in the queue is likely to be free: when the average request has been served."""
        seconds = self._loop.turns.figures.average_seconds if self._loop.turns else 0.0
        return min(max(math.ceil(seconds / self._limits.max_batch), 1), LONGEST_RETRY)

    # -- requests -------------------------------------------------------------------------------------------------

    def check_room(self, preparing: int) -> None:
        self._inbox.check_room(preparing)

    def prepare(self, conversation: Conversation, shape: AnswerShape | None = None) -> Prompt:
        runner = self._ready_runner()
        prompt = build_prompt(runner.chat, conversation)
        if shape is not None:
            runner.compile(conversation.tools, shape)
        return prompt

    def count(self, text: str) -> int:
        return len(self._ready_runner().chat.encode(text))

    def submit(self, generation: Generation, sink: Sink) -> Job:
        return self._inbox.submit(generation, sink)

    def cancel(self, ticket: object) -> None:
        assert isinstance(ticket, Job)
        ticket.cancelled = True
        self._inbox.wake()

    def _ready_runner(self) -> Runner:
        if self._loop.runner is None:
            raise self._inbox.refusal()
        self._inbox.check_ready()
        return self._loop.runner

    # -- the cache ------------------------------------------------------------------------------------------------

    def cached(self, prompt: Prompt) -> Future[int]:
        def look(turns: Turns) -> int:
            hit = turns.cache.peek(prompt.tokens)
            return hit.length if hit else 0

        return self._inbox.between_turns(look)

    def prefixes(self) -> Sequence[CachedPrefix]:
        return self._loop.listed[1]

    def drop_cache(self) -> Future[int]:
        runner = self._ready_runner()

        def drop(turns: Turns) -> int:
            runner.chat.forget()
            dropped = turns.prefixes.forget()
            self._loop.look(turns, 0.0)
            return dropped

        return self._inbox.between_turns(drop)
