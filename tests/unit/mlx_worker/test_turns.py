"""The engine's work turn by turn, on a runner without arrays: what is computed, what is kept, who waits for whom."""

from collections.abc import Sequence
from typing import Any

import pytest

from mlx_worker.errors import NotReady
from mlx_worker.events import Event, Failed, Finished, Generating, Progress, TextPiece
from mlx_worker.generation import Generation, Prompt
from mlx_worker.jobs import Job, Limits
from mlx_worker.turns import QUIET_SECONDS, Turns
from tests.support.fake_runner import FakeRunner, generation

CHUNK = 16
SYSTEM = list(range(1, 41))


def prompt(length: int, start: int = 1) -> list[int]:
    return list(range(start, start + length))


class Bench:
    """A runner, its turns, and what each request heard."""

    def __init__(self, runner: FakeRunner | None = None, **limits: Any) -> None:
        self.runner = runner or FakeRunner()
        self.now = 0.0
        self.turns = Turns(self.runner, Limits(prefill_chunk=CHUNK, **limits), clock=lambda: self.now)
        self.heard: dict[int, list[Event]] = {}

    def ask(self, asked: Generation) -> Job:
        events: list[Event] = []
        job = Job(asked, events.append, arrival=len(self.heard), clock=lambda: self.now)
        self.heard[job.arrival] = events
        self.turns.add(job)
        return job

    def run(self, turns: int = 1000) -> None:
        while not self.turns.idle and turns:
            self.turns.turn()
            turns -= 1

    def text(self, job: Job) -> str:
        return "".join(event.text for event in self.heard[job.arrival] if isinstance(event, TextPiece))

    def end(self, job: Job) -> Event:
        return self.heard[job.arrival][-1]

    def cached(self, job: Job) -> int:
        return next(event.cached for event in self.heard[job.arrival] if isinstance(event, Progress))


def answered(bench: Bench, tokens: Sequence[int], **fields: int) -> Job:
    job = bench.ask(generation(tokens, **fields))
    bench.run()
    return job


def test_a_prompt_is_computed_in_chunks_and_told_of() -> None:
    bench = Bench()
    job = answered(bench, prompt(40))
    assert [len(chunk) for chunk in bench.runner.prefilled] == [16, 16, 7]
    assert [e.done for e in bench.heard[0] if isinstance(e, Progress)] == [0, 16, 32, 39]
    assert bench.text(job) == "Hello there"
    assert bench.end(job) == Finished("stop", 3)


def test_a_prompt_of_one_token_needs_no_prefill() -> None:
    bench = Bench()
    assert bench.text(answered(bench, [5])) == "Hello there"
    assert bench.runner.prefilled == []


def test_max_tokens_cut_the_answer() -> None:
    bench = Bench()
    job = answered(bench, prompt(5), max_tokens=1)
    assert bench.text(job) == "Hello"
    assert bench.end(job) == Finished("length", 1)


def test_a_stop_string_ends_the_request_and_keeps_the_work() -> None:
    bench = Bench(FakeRunner(says=lambda tokens: ["a ", "ST", "OP", " never"]))
    job = bench.ask(generation(prompt(40), stops=("STOP",)))
    bench.run()
    assert bench.text(job) == "a "
    assert bench.end(job) == Finished("stop", 3, stop="STOP")
    assert bench.cached(answered(bench, [*prompt(40), 99])) == 40


def test_calls_make_the_finish_reason() -> None:
    bench = Bench(FakeRunner(says=lambda tokens: ["<call>", "f Paris", "</call>"]))
    assert bench.end(answered(bench, prompt(5))) == Finished("tool_calls", 4)


# -- the cache ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut_back", [True, False])
def test_the_next_turn_computes_only_what_is_new(cut_back: bool) -> None:
    bench = Bench(FakeRunner(cut_back=cut_back))
    answered(bench, prompt(40))
    bench.runner.prefilled.clear()
    follow_up = [*prompt(39), *prompt(30, 500)]  # the last token of the first prompt was its generation tail
    assert bench.cached(answered(bench, follow_up)) == 39
    assert sum(len(chunk) for chunk in bench.runner.prefilled) == 29


@pytest.mark.parametrize("cut_back", [True, False])
def test_an_exact_repeat_hits(cut_back: bool) -> None:
    bench = Bench(FakeRunner(cut_back=cut_back))
    answered(bench, prompt(40))
    assert bench.cached(answered(bench, prompt(40))) == 39


@pytest.mark.parametrize("cut_back", [True, False])
def test_another_conversation_shares_the_system_prompt(cut_back: bool) -> None:
    bench = Bench(FakeRunner(cut_back=cut_back))
    answered(bench, [*SYSTEM, *prompt(50, 500)], system_end=40)
    assert bench.cached(answered(bench, [*SYSTEM, *prompt(50, 900)], system_end=40)) == 40


def test_the_system_prompt_is_there_before_the_first_request_is_done() -> None:
    bench = Bench()
    first = bench.ask(generation([*SYSTEM, *prompt(200, 500)], system_end=40))
    while first.done < 48:
        bench.turns.turn()
    second = bench.ask(generation([*SYSTEM, *prompt(10, 900)], system_end=40))
    bench.run()
    assert bench.cached(second) == 40


def test_states_that_cannot_be_cut_back_are_kept_at_the_stable_places() -> None:
    bench = Bench(FakeRunner(cut_back=False))
    answered(bench, [*SYSTEM, *prompt(20, 500)], system_end=40)
    assert [(len(entry), entry.kind, sorted(entry.cuts or ())) for entry in bench.turns.cache] == [
        (40, "system", [40]),
        (62, "assistant", [40, 59, 62]),
    ]


def test_a_state_that_can_take_back_its_latest_chunk_is_not_stopped_for_the_tail() -> None:
    bench = Bench(FakeRunner(cut_back=False, steps_back=True))
    answered(bench, [*SYSTEM, *prompt(20, 500)], system_end=40)
    assert [len(chunk) for chunk in bench.runner.prefilled] == [16, 16, 8, 16, 3]
    assert [sorted(entry.cuts or ()) for entry in bench.turns.cache] == [[40], [40, 59, 62]]
    bench.runner.prefilled.clear()
    tail = [1000, 1001, 1002]
    job = bench.ask(Generation(Prompt((*SYSTEM, *prompt(19, 500), *prompt(10, 700), *tail), 40, 69), 100))
    bench.run()
    assert bench.cached(job) == 59
    assert [len(chunk) for chunk in bench.runner.prefilled] == [12]
    assert bench.cached(answered(bench, [*SYSTEM, *prompt(19, 500), *prompt(10, 700), 5, 6, 7])) == 69


def test_cancels_one_after_the_other_leave_the_place_where_the_turn_began() -> None:
    bench = Bench(FakeRunner(cut_back=False))
    answered(bench, prompt(60))
    for chunks in range(1, 8):
        job = bench.ask(generation([*prompt(59), *prompt(200, 500)]))
        bench.run(turns=chunks)
        job.cancelled = True
        bench.run()
    assert bench.cached(answered(bench, [*prompt(59), *prompt(20, 900)])) == 59


def test_a_request_does_not_write_into_what_others_share() -> None:
    bench = Bench()
    one, other = (bench.ask(generation([*SYSTEM, *prompt(30, start)], system_end=40)) for start in (500, 900))
    bench.run()
    assert all(list(entry.kv) == _unpacked(entry.packed) for entry in bench.turns.cache)
    assert bench.end(one) == bench.end(other) == Finished("stop", 3)


def _unpacked(packed: bytes) -> list[int]:
    return list(memoryview(packed).cast("I"))


# -- who waits for whom -------------------------------------------------------------------------------------------


def test_a_short_request_does_not_wait_behind_a_long_one() -> None:
    bench = Bench()
    long = bench.ask(generation(prompt(1000)))
    bench.run(turns=3)
    short = bench.ask(generation(prompt(10, 5000)))
    while not short.completion:
        bench.turns.turn()
    assert long.done < 7 * CHUNK


def test_decoding_goes_on_while_someone_prefills() -> None:
    """Every computation takes a second: a chunk, then a token for those who decode, by turns."""
    bench = Bench(FakeRunner(says=lambda tokens: ["x"] * 50))
    _take_a_second(bench)
    talking = bench.ask(generation(prompt(5)))
    bench.run(turns=3)
    long = bench.ask(generation(prompt(320, 5000)))
    before = talking.completion
    while long.remaining:
        bench.turns.turn()
    assert talking.completion - before >= 18


def _take_a_second(bench: Bench) -> None:
    prefill, step = bench.runner.prefill, bench.runner.step

    def slow_prefill(kv: list[int], tokens: Sequence[int]) -> None:
        bench.now += 1
        prefill(kv, tokens)

    def slow_step() -> list[object]:
        bench.now += 1
        return list(step())

    bench.runner.prefill = slow_prefill  # type: ignore[method-assign]
    bench.runner.step = slow_step  # type: ignore[method-assign, assignment]


def test_no_more_than_a_batch_is_begun() -> None:
    bench = Bench(FakeRunner(says=lambda tokens: ["x"] * 5), max_batch=2)
    for start in (100, 200, 300):
        bench.ask(generation(prompt(5, start)))
    most = 0
    while not bench.turns.idle:
        bench.turns.turn()
        most = max(most, len(bench.turns.prefilling) + len(bench.turns.decoding))
    assert most == 2
    assert bench.turns.figures.finished == 3


def test_slow_chunks_get_smaller() -> None:
    bench = Bench()
    bench.turns._prompts._limits = Limits(prefill_chunk=512)
    prefill = bench.runner.prefill

    def slow(kv: list[int], tokens: Sequence[int]) -> None:
        bench.now += len(tokens) / 100
        prefill(kv, tokens)

    bench.runner.prefill = slow  # type: ignore[method-assign]
    answered(bench, prompt(1000))
    assert [len(chunk) for chunk in bench.runner.prefilled][:3] == [512, 100, 100]


def test_who_waits_hears_something_every_second() -> None:
    bench = Bench(FakeRunner(says=lambda tokens: ["<call>", *["x"] * 20]), max_batch=1)
    talking, waiting = (bench.ask(generation(prompt(5, start))) for start in (100, 200))
    bench.run(turns=4)
    bench.now += QUIET_SECONDS + 0.1
    bench.turns.turn()
    assert bench.end(talking) == Generating(talking.completion)
    assert bench.end(waiting) == Progress(0, 5, 0)


# -- leaving ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut_back", [True, False])
def test_a_cancel_while_prefilling_keeps_what_was_computed(cut_back: bool) -> None:
    bench = Bench(FakeRunner(cut_back=cut_back))
    job = bench.ask(generation(prompt(100)))
    bench.run(turns=3)
    job.cancelled = True
    bench.run()
    assert bench.turns.figures.cancelled == 1
    assert bench.cached(answered(bench, prompt(100))) == 3 * CHUNK


def test_a_cancel_while_decoding_keeps_prompt_and_answer() -> None:
    bench = Bench(FakeRunner(says=lambda tokens: ["x"] * 50))
    job = bench.ask(generation(prompt(40)))
    while job.completion < 5:
        bench.turns.turn()
    job.cancelled = True
    bench.run()
    kept = max(bench.turns.cache, key=len)
    assert len(kept) == 40 + 4
    assert not isinstance(bench.end(job), Finished)


def test_a_cancel_while_waiting_disturbs_nobody() -> None:
    bench = Bench(max_batch=1)
    one, two = (bench.ask(generation(prompt(40, start))) for start in (100, 200))
    bench.turns.turn()
    two.cancelled = True
    bench.run()
    assert bench.end(one) == Finished("stop", 3)
    assert bench.heard[two.arrival] == []


def test_leaving_the_queue_is_told_once_a_request() -> None:
    left: list[int] = []
    turns = Turns(FakeRunner(), Limits(), lambda: left.append(1))
    jobs = [Job(generation(prompt(5, start)), lambda event: None, start) for start in (100, 200, 300)]
    for job in jobs:
        turns.add(job)
    jobs[1].cancelled = True
    while not turns.idle:
        turns.turn()
    assert len(left) == 3


# -- failures -----------------------------------------------------------------------------------------------------


def test_a_failing_prefill_fails_that_request_alone() -> None:
    bench = Bench(FakeRunner(says=lambda tokens: ["x"] * 5))
    good = bench.ask(generation(prompt(5)))
    bench.run(turns=2)
    bench.runner.prefill_error = ValueError("broken")
    bad = bench.ask(generation(prompt(40, 500)))
    bench.run()
    assert bench.end(good) == Finished("stop", 6)
    assert isinstance(failed := bench.end(bad), Failed)
    assert "broken" in failed.error.message
    assert bench.turns.figures.failed == 1


def test_a_failing_step_fails_that_batch_and_the_next_one_works() -> None:
    bench = Bench(FakeRunner(says=lambda tokens: ["x"] * 50), max_batch=2)
    jobs = [bench.ask(generation(prompt(5, start))) for start in (100, 200)]
    while len(bench.turns.decoding) < 2:
        bench.turns.turn()
    late = bench.ask(generation(prompt(5, 300)))
    bench.runner.step_error = RuntimeError("broken")
    bench.turns.turn()
    assert all(isinstance(bench.end(job), Failed) for job in jobs)
    assert (bench.runner.rebuilt, bench.turns.figures.consecutive_failures) == (1, 1)
    bench.runner.step_error = None
    bench.run()
    assert bench.end(late) == Finished("stop", 51)
    assert bench.turns.figures.consecutive_failures == 0


def test_at_the_end_everyone_hears_that_it_is_over() -> None:
    bench = Bench(max_batch=2)
    jobs = [bench.ask(generation(prompt(40, start))) for start in (100, 200, 300)]
    bench.run(turns=4)
    error = NotReady("leaving")
    bench.turns.end(error)
    assert all(bench.end(job) == Failed(error) for job in jobs)
    assert bench.turns.idle


def test_the_chunk_that_fills_a_sliding_window_stops_where_the_next_turn_begins() -> None:
    """Before it the state could be cut back anywhere, after it nowhere: the cut has to be made on the way."""
    bench = Bench(FakeRunner(cut_back=False, window=40))
    answered(bench, prompt(60))
    follow_up = [*prompt(59), *prompt(20, 500)]
    assert bench.cached(answered(bench, follow_up)) == 59
