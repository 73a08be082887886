"""The memory guard: who waits, what goes, who is refused."""

from dataclasses import dataclass

import pytest

from mlx_worker.errors import MemoryShort, PromptTooLong
from mlx_worker.events import Failed, Finished
from mlx_worker.memory import ANSWER, COPIES
from mlx_worker.runner import Memory
from tests.support.fake_runner import FakeRunner, generation
from tests.unit.mlx_worker.test_turns import Bench, answered, prompt


@dataclass(eq=False)
class Counting(FakeRunner):
    """One byte a token: of the states in work and those in the cache, beside weights of 1000 bytes."""

    limit: int = 1 << 30
    bench: Bench | None = None

    def memory(self) -> Memory:
        assert self.bench is not None
        turns = self.bench.turns
        in_work = sum(len(running.kv) for running in self._running.values())
        in_work += sum(len(job.kv) for job in turns.prefilling if job.kv)
        return Memory(1000 + in_work + turns.cache.figures().nbytes, self.limit)


def counting(limit: int, **limits: int) -> Bench:
    runner = Counting(limit=limit)
    runner.bench = Bench(runner, **limits)
    return runner.bench


def test_a_prompt_that_never_fits_is_too_long_with_both_numbers() -> None:
    bench = counting(1000 + COPIES * (ANSWER + 200))
    answered(bench, prompt(50))
    job = answered(bench, prompt(500, 1000), max_tokens=5000)
    end = bench.end(job)
    assert isinstance(end, Failed)
    assert isinstance(end.error, PromptTooLong)
    assert (end.error.prompt_tokens, end.error.context_length) == (500, 200)
    assert isinstance(bench.end(answered(bench, prompt(100, 2000))), Finished)


def test_a_request_that_has_no_room_waits_for_those_in_work() -> None:
    bench = counting(1000 + COPIES * 200)
    answered(bench, prompt(50))
    first = bench.ask(generation(prompt(150, 1000), max_tokens=10))
    bench.turns.turn()
    second = bench.ask(generation(prompt(150, 2000), max_tokens=10))
    while first in bench.turns.prefilling or first in bench.turns.decoding.values():
        assert second in bench.turns.waiting
        bench.turns.turn()
    bench.run()
    assert all(isinstance(bench.end(job), Finished) for job in (first, second))


def test_cached_prefixes_make_room_for_a_request() -> None:
    bench = counting(1000 + COPIES * 300)
    for start in (1000, 2000, 3000):
        answered(bench, prompt(150, start), max_tokens=10)
    assert isinstance(bench.end(answered(bench, prompt(200, 4000), max_tokens=10)), Finished)
    assert bench.turns.cache.figures().evicted > 0


def test_memory_that_others_took_fails_the_last_request_and_lets_the_first_end() -> None:
    bench = counting(1 << 30)
    runner = bench.runner
    assert isinstance(runner, Counting)
    runner.says = lambda tokens: ["word "] * 20
    first, second = (bench.ask(generation(prompt(100, start))) for start in (1000, 2000))
    while len(bench.turns.decoding) < 2:
        bench.turns.turn()
    runner.limit = 1000 + 150
    bench.run()
    end = bench.end(second)
    assert isinstance(end, Failed)
    assert isinstance(end.error, MemoryShort)
    assert bench.end(first) == Finished("stop", 21)


@pytest.mark.parametrize("limit", [900, 1010])
def test_a_first_prompt_that_passes_the_limit_fails_and_says_so(limit: int) -> None:
    bench = counting(limit)
    end = bench.end(answered(bench, prompt(100)))
    assert isinstance(end, Failed)
    assert "GB" in end.error.message
