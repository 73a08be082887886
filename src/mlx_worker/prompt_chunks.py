"""A prompt is computed in chunks, and kept in the prefix cache on the way.

States that can be cut back need to be kept only where they are longest, beside the system prompt's, which is to outlive
the conversation's; of the others, what cannot be cut back is copied where a later request will go on.
"""

from mlx_worker.events import Progress
from mlx_worker.jobs import Job, Limits, Speed
from mlx_worker.memory import MemoryGuard
from mlx_worker.prefix_entry import Kind
from mlx_worker.prefixes import Prefixes
from mlx_worker.runner import Runner

CHUNK_SECONDS = 1.0
SMALLEST_CHUNK = 64


class PromptChunks:
    """speed: of prompts, as it has been measured so far."""

    def __init__(self, runner: Runner, limits: Limits, prefixes: Prefixes, guard: MemoryGuard, speed: Speed) -> None:
        self._runner, self._limits, self._prefixes = runner, limits, prefixes
        self._guard, self._speed = guard, speed

    def begin(self, job: Job) -> None:
        """Take what is cached of the prompt. Raises PromptTooLong where there will never be memory for the rest."""
        if not self._guard.admits(job):
            self._guard.refuse(job)
        self._guard.make_room(job)
        self._prefixes.take(job)
        job.tell(Progress(job.done, len(job.tokens), job.cached))

    def compute_chunk(self, job: Job) -> None:
        """One, up to the next mark at most; nothing where the prompt is whole. Raises MemoryShort."""
        marks, begun = self._marks(job), job.done
        stops = [end for end, kind in marks.items() if kind == "system" or not self._runner.steps_back]
        end = min([begun + self._chunk_tokens(), job.last, *stops])
        if end == begun:
            return
        self._runner.prefill(job.kv, job.tokens[begun:end])
        job.done = end
        self._guard.learn(job)
        self._guard.relieve()
        job.tell(Progress(end, len(job.tokens), job.cached))
        for mark in sorted(marks):
            if mark <= end:
                self._prefixes.cut(job, mark)
        if marks.get(end) == "system":
            self._prefixes.keep(job, job.tokens[:end], self._runner.fork(job.kv), "system")

    def _chunk_tokens(self) -> int:
        """Small enough to take no longer than `CHUNK_SECONDS` here: a cancel and a short request wait for one chunk."""
        tps = self._speed.tps
        fitting = int(tps * CHUNK_SECONDS) if tps else self._limits.prefill_chunk
        return min(self._limits.prefill_chunk, max(fitting, SMALLEST_CHUNK))

    def _marks(self, job: Job) -> dict[int, Kind]:
        """What to see to on the way: to keep the system prompt's state, which is to outlive the conversation's, and to
        make a cut where the next turn will start, for states that cannot be cut back there later. A chunk ends at
        either, but at the second only where it has to: each chunk takes a pass of the model."""
        prompt = job.generation.prompt
        marks: dict[int, Kind] = {prompt.system_end: "system"}
        if not self._runner.cuttable:
            marks.setdefault(prompt.stable_end, "user")
        return {end: kind for end, kind in marks.items() if job.done < end <= job.last}
