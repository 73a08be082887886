"""The memory guard: requests are made to wait, cached prefixes to go, and at last requests to fail, before the system
kills the worker (on Metal, running out of memory is an abort, not an exception).

What a token costs is learnt from the prompts that were computed. Nothing is refused before that is known.
"""

from collections.abc import Iterable
from typing import Any, Final

from mlx_worker.errors import MemoryShort, PromptTooLong
from mlx_worker.jobs import Job
from mlx_worker.prefix_cache import PrefixCache
from mlx_worker.runner import Runner

ANSWER: Final = 1024
"""Tokens of an answer that are reckoned with at admission."""

COPIES: Final = 2
"""A state in work and the one that the cache keeps of it: the first write to a copy copies all of it."""


class MemoryGuard:
    """Between a model's work and the cache, which share what memory there is."""

    def __init__(self, runner: Runner, cache: PrefixCache[Any]) -> None:
        self._runner = runner
        self._cache = cache
        self._token_bytes = 0.0

    def learn(self, job: Job) -> None:
        """Take what a computed prompt costs as what the next one will."""
        if job.done:
            self._token_bytes = self._runner.nbytes(job.kv) / job.done

    def admits(self, job: Job, prefilling: Iterable[Job] = ()) -> bool:
        """Whether there is, or can be made, room for a request, and for what the others are still to compute."""
        if not self._token_bytes:
            return True
        needed = self._needed(job) + sum(map(self._still_needed, prefilling))
        return needed <= self._room()

    def make_room(self, job: Job) -> None:
        """Let cached prefixes go for a request that is about to begin."""
        memory = self._runner.memory()
        self._give_back(self._needed(job) - (memory.limit - memory.used))

    def refuse(self, job: Job) -> None:
        """Raises PromptTooLong: a request that does not fit even where nobody else is in work never will."""
        raise PromptTooLong(len(job.tokens), max(int(self._room() / (COPIES * self._token_bytes)) - ANSWER, 0))

    def relieve(self) -> None:
        """Between two steps. Raises MemoryShort when letting the whole cache go does not bring us under the limit."""
        memory = self._runner.memory()
        over = memory.used - memory.limit
        if over <= 0:
            return
        self._give_back(over)
        memory = self._runner.memory()
        if memory.used > memory.limit:
            raise MemoryShort(memory.used, memory.limit)

    def _needed(self, job: Job) -> int:
        answer = min(job.generation.max_tokens, ANSWER)
        return int(COPIES * (len(job.tokens) + answer) * self._token_bytes)

    def _still_needed(self, job: Job) -> float:
        return self._needed(job) - job.done * self._token_bytes

    def _room(self) -> int:
        memory = self._runner.memory()
        return memory.limit - memory.used + self._cache.figures().nbytes

    def _give_back(self, nbytes: float) -> None:
        if nbytes > 0:
            self._cache.shrink(max(int(self._cache.figures().nbytes - nbytes), 0))
