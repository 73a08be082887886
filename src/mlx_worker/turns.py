"""The engine's work, one turn at a time. No threads in here: whoever calls `turn` owns the model and every array.

A turn does one thing: compute one chunk of one prompt, or one token for everyone who is decoding (`scheduler` says
which). Before it, cancelled requests go. A request moves `waiting -> prefilling -> decoding`, and leaves from anywhere.

What was computed is kept in the prefix cache: at the end of system prompt and tools (by `prompt_chunks`), at the end of
the conversation, at the end of the answer, and where a cancel cut it.

A warming request only has its prompt computed, chunk by chunk, whenever nobody else has work.

A failure while prefilling fails that request, and says nothing of the engine: it may be the request's own. A failure
while decoding fails the requests of that batch, and the batch is built anew; several in a row are the engine's.
"""

import logging
import time
from collections.abc import Callable, Sequence

from mlx_worker.errors import MemoryShort, WorkerError
from mlx_worker.events import Event, Failed, Finished, FinishReason, Generating, Logprobs, Progress, failure
from mlx_worker.jobs import Figures, Job, Limits
from mlx_worker.memory import MemoryGuard
from mlx_worker.output import OutputReader
from mlx_worker.pace import Doing
from mlx_worker.prefixes import Prefixes
from mlx_worker.prompt_chunks import PromptChunks
from mlx_worker.runner import Runner, Step
from mlx_worker.scheduler import PrefillOrder, TimeShare

log = logging.getLogger("mlx_worker")

QUIET_SECONDS = 1.0


class Turns:
    """`begun` is called for each request that leaves the waiting ones, but not for warming ones."""

    def __init__(
        self,
        runner: Runner,
        limits: Limits,
        begun: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.waiting: list[Job] = []
        self.prefilling: list[Job] = []
        self.decoding: dict[int, Job] = {}
        self.prefixes = Prefixes(runner, limits, clock)
        self.cache = self.prefixes.cache
        self.figures = Figures()
        self.doing: Doing = ""
        self._runner, self._limits, self._begun, self._clock = runner, limits, begun, clock
        self._order, self._share = PrefillOrder(), TimeShare()
        self._guard = MemoryGuard(runner, self.cache)
        self._prompts = PromptChunks(runner, limits, self.prefixes, self._guard, self.figures.prefill)
        self._worked = clock()

    @property
    def idle(self) -> bool:
        return not (self.waiting or self.prefilling or self.decoding)

    def add(self, job: Job) -> None:
        hit = self.cache.peek(job.tokens)
        job.done = hit.length if hit else 0
        self.waiting.append(job)

    def rest(self) -> bool:
        """With nothing else to do, write one prefix to disk; False when all are written."""
        return self.prefixes.rest(self._clock() - self._worked)

    def turn(self) -> None:
        self._worked = self._clock()
        try:
            self._let_go()
            candidates = self._candidates()
            short = any(job.remaining <= self._limits.prefill_chunk for job in candidates)
            if self._share.prefill_next(prefilling=bool(candidates), decoding=bool(self.decoding), short=short):
                self._prefill(self._order.choose(candidates))
            elif self.decoding:
                self._decode()
        except Exception as error:  # nobody can say whose fault it was: the batch fails, the next one starts clean
            log.exception("a decoding step failed")
            self._fail(list(self.decoding.values()), error)
            self.figures.consecutive_failures += 1
            self.decoding.clear()
            self._runner.rebuild()
        self._reassure()

    def end(self, error: WorkerError) -> None:
        """Everyone still here hears that it is over."""
        for job in (*self.waiting, *self.prefilling, *self.decoding.values()):
            job.tell(Failed(error))
        self.waiting.clear()
        self.prefilling.clear()
        self.decoding.clear()

    def _candidates(self) -> list[Job]:
        """New requests begin only while there is room for them to decode; warming ones while there are no others."""
        asked = [job for job in self.prefilling if not job.warm]
        waiting = self._admissible() if len(asked) + len(self.decoding) < self._limits.max_batch else []
        asked += [job for job in waiting if not job.warm]
        return asked if asked or self.decoding else [*self.prefilling, *waiting]

    def _admissible(self) -> list[Job]:
        """Those that there is memory for; with nobody in work, all, so that one which never fits is told."""
        if not (self.prefilling or self.decoding):
            return self.waiting
        return [job for job in self.waiting if self._guard.admits(job, self.prefilling)]

    def _let_go(self) -> None:
        cancelled = [job for job in (*self.waiting, *self.prefilling, *self.decoding.values()) if job.cancelled]
        for job in cancelled:
            if job.uid is not None:
                kv, tokens = self._runner.drop(job.uid)
                del self.decoding[job.uid]
                self.prefixes.keep(job, tokens, kv, "assistant")
            elif job in self.prefilling:
                self.prefilling.remove(job)
                if job.done > job.cached:
                    self.prefixes.keep(job, job.tokens[: job.done], job.kv, "user")
            else:
                self._leave_waiting(job)
            job.release()
            self.figures.cancelled += 1

    def _leave_waiting(self, job: Job) -> None:
        self.waiting.remove(job)
        if not job.warm:
            self._begun()

    # -- prefill --------------------------------------------------------------------------------------------------

    def _prefill(self, job: Job) -> None:
        started = self._clock()
        try:
            if job in self.waiting:
                self._admit(job)
            else:
                self.doing = "prompt"
            before = job.done
            self._prompts.compute_chunk(job)
            if job.done >= job.last:
                self._end_warming(job) if job.warm else self._begin_decoding(job)
        except Exception as error:  # one bad request must not take the others with it: it is told, they go on
            log.exception("a request failed while its prompt was computed")
            self._fail([job], error)
            return
        seconds = self._clock() - started
        self._share.prefilled(seconds)
        self.figures.prefill.add(job.done - before, seconds)

    def _admit(self, job: Job) -> None:
        self._leave_waiting(job)
        self.prefilling.append(job)
        self._prompts.begin(job)

    def _end_warming(self, job: Job) -> None:
        self.prefilling.remove(job)
        if job.last != job.generation.prompt.system_end:  # there it has been kept on the way
            self.prefixes.keep(job, job.tokens[: job.last], job.kv, "user")
        job.release()
        job.tell(Finished("stop", 0))

    def _begin_decoding(self, job: Job) -> None:
        asked = job.generation
        job.reader = OutputReader(
            self._runner.markers, section=asked.prompt.section, stops=asked.stops, tools=asked.tools
        )
        job.uid = self._runner.start(job.kv, asked)
        self.prefilling.remove(job)
        self.decoding[job.uid] = job
        self.prefixes.keep(job, job.tokens[: job.last], job.kv, "user")
        job.kv = None

    # -- decode ---------------------------------------------------------------------------------------------------

    def _decode(self) -> None:
        self.doing = "token"
        started = self._clock()
        steps = self._runner.step()
        for step in steps:
            self._advance(self.decoding[step.uid], step)
        self._watch_memory()
        seconds = self._clock() - started
        self._share.decoded(seconds)
        self.figures.decode.add(len(steps), seconds)
        self.figures.consecutive_failures = 0

    def _watch_memory(self) -> None:
        """Where the cache has nothing left to give, the request that came last goes, for the others to end."""
        try:
            self._guard.relieve()
        except MemoryShort as error:
            if self.decoding:
                uid, job = max(self.decoding.items(), key=lambda item: item[1].arrival)
                self._runner.drop(uid)
                del self.decoding[uid]
                self._fail([job], error)

    def _advance(self, job: Job, step: Step) -> None:
        assert job.reader is not None
        job.completion += 1
        pieces: list[Event] = [Logprobs((step.logprob,))] if step.logprob else []
        pieces += job.reader.feed(step.text, held=step.held)
        over = step.end is not None or job.reader.stopped is not None
        if over:
            pieces += job.reader.end()
        if pieces:
            job.tell(*pieces)
        if over:
            kv, tokens = (step.kv, step.tokens) if step.end else self._runner.drop(step.uid)
            del self.decoding[step.uid]
            self._finish(job, step.end or "stop")
            self.prefixes.keep(job, tokens, kv, "assistant")
            job.release()

    def _finish(self, job: Job, reason: FinishReason) -> None:
        assert job.reader is not None
        stop = job.reader.stopped
        if stop is not None:
            reason = "stop"
        elif job.reader.cut:
            reason = "length"
        elif job.reader.calls and reason == "stop":
            reason = "tool_calls"
        self.figures.finished += 1
        self.figures.busy_seconds += self._clock() - job.arrived
        job.tell(Finished(reason, job.completion, stop))

    # -- common ---------------------------------------------------------------------------------------------------

    def _reassure(self) -> None:
        """Nobody who waits hears nothing for long: the caller can tell computing from dead."""
        quiet = self._clock() - QUIET_SECONDS
        for job in (*self.waiting, *self.prefilling):
            if job.said < quiet:
                job.tell(Progress(job.done, len(job.tokens), job.cached))
        for job in self.decoding.values():
            if job.said < quiet:
                job.tell(Generating(job.completion))

    def _fail(self, jobs: Sequence[Job], error: Exception) -> None:
        for job in jobs:
            if job in self.prefilling:
                self.prefilling.remove(job)
            job.release()
            job.tell(failure(error))
        self.figures.failed += len(jobs)
