"""The thread's life: loading, ready, draining, dead; and what others may ask of it meanwhile."""

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from mlx_worker import engine_thread
from mlx_worker.engine import State
from mlx_worker.engine_loop import MAX_FAILURES
from mlx_worker.engine_thread import EngineThread
from mlx_worker.errors import ModelLoadError, NotReady, QueueFull
from mlx_worker.events import Event, Failed, Finished
from mlx_worker.generation import Conversation
from mlx_worker.jobs import Limits
from mlx_worker.runner import Step
from tests.support.fake_runner import FakeRunner, generation

DEADLINE = 10.0


class GatedRunner(FakeRunner):
    """Steps only when it is let to: `gate` has one permit a step."""

    def __init__(self) -> None:
        super().__init__(says=lambda tokens: ["x"] * 3)
        self.gate = threading.Semaphore(0)

    def step(self) -> list[Step]:
        assert self.gate.acquire(timeout=DEADLINE)
        return super().step()


@contextmanager
def running(load: Callable[[], FakeRunner], **limits: Any) -> Iterator[EngineThread]:
    engine = EngineThread(load, Limits(**{"still_seconds": 60.0} | limits))
    engine.start()
    try:
        yield engine
    finally:
        engine.stop(DEADLINE)
        assert not engine._thread.is_alive()


def until(engine: EngineThread, state: State) -> None:
    deadline = threading.Event()
    for _ in range(int(DEADLINE * 200)):
        if engine.status().state == state:
            return
        deadline.wait(0.005)
    raise AssertionError(f"the engine stayed {engine.status().state}")


def wait_until(reached: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(int(DEADLINE * 200)):
        if reached():
            return
        pause.wait(0.005)
    raise AssertionError("never reached")


def asked(engine: EngineThread, tokens: list[int] | None = None, **fields: Any) -> "queue.Queue[Event]":
    events: queue.Queue[Event] = queue.Queue()
    engine.submit(generation(tokens or [1, 2, 3], **fields), events.put)
    return events


def end_of(events: "queue.Queue[Event]") -> Event:
    while True:
        event = events.get(timeout=DEADLINE)
        if isinstance(event, Finished | Failed):
            return event


def test_it_answers() -> None:
    with running(FakeRunner) as engine:
        until(engine, "ready")
        assert end_of(asked(engine)) == Finished("stop", 3)
        assert engine.card is not None
        assert engine.status().finished == 1


def test_while_it_loads_it_says_so() -> None:
    gate = threading.Event()

    def load() -> FakeRunner:
        assert gate.wait(DEADLINE)
        return FakeRunner()

    with running(load) as engine:
        assert (engine.card, engine.status().state) == (None, "loading")
        with pytest.raises(NotReady, match="still loading"):
            engine.prepare(Conversation([{"role": "user", "content": "hi"}]))
        with pytest.raises(NotReady, match="still loading"):
            asked(engine)
        gate.set()
        until(engine, "ready")


def test_a_model_that_cannot_be_loaded_leaves_it_dead_with_the_reason() -> None:
    def load() -> FakeRunner:
        raise ModelLoadError("there is no model; fetch one")

    with running(load) as engine:
        until(engine, "dead")
        assert engine.status().reason == "there is no model; fetch one"
        with pytest.raises(NotReady, match="fetch one"):
            asked(engine)


def test_an_unexpected_death_is_told_too() -> None:
    def load() -> FakeRunner:
        raise MemoryError("no room")

    with running(load) as engine:
        until(engine, "dead")
        assert "MemoryError: no room" in (engine.status().reason or "")


def test_the_queue_is_bounded_and_has_room_again() -> None:
    runner = GatedRunner()
    with running(lambda: runner, max_queue=1, max_batch=1) as engine:
        until(engine, "ready")
        assert engine.status().room == 2
        first = asked(engine)
        first.get(timeout=DEADLINE)  # it has begun: it no longer waits
        assert engine.status().room == 1
        second = asked(engine)
        assert engine.status().room == 0
        with pytest.raises(QueueFull) as refused:
            asked(engine)
        assert refused.value.headers["Retry-After"]
        runner.gate.release(100)
        assert end_of(first) == end_of(second) == Finished("stop", 4)
        assert end_of(asked(engine)) == Finished("stop", 4)


def test_draining_refuses_the_new_and_finishes_the_old() -> None:
    runner = GatedRunner()
    with running(lambda: runner) as engine:
        until(engine, "ready")
        events = asked(engine)
        events.get(timeout=DEADLINE)
        engine.drain()
        with pytest.raises(NotReady, match="shutting down"):
            asked(engine)
        runner.gate.release(100)
        assert end_of(events) == Finished("stop", 4)
        assert engine.status().state == "draining"


def test_stopping_fails_what_is_left() -> None:
    runner = GatedRunner()
    with running(lambda: runner, max_batch=1) as engine:
        until(engine, "ready")
        both = [asked(engine), asked(engine)]
        both[0].get(timeout=DEADLINE)
        stopping = threading.Thread(target=engine.stop, args=(DEADLINE,))
        stopping.start()
        while not engine._loop.stopping:
            pass
        runner.gate.release(1)
        stopping.join(DEADLINE)
        assert all(isinstance(end_of(events), Failed) for events in both)


def test_repeated_failures_leave_it_dead_and_the_queued_hear_it_at_once() -> None:
    runner = FakeRunner(step_error=RuntimeError("no more"))
    with running(lambda: runner, max_batch=1) as engine:
        until(engine, "ready")
        waiting = [asked(engine) for _ in range(MAX_FAILURES)]
        assert all(isinstance(end_of(events), Failed) for events in waiting)
        until(engine, "dead")
        assert f"{MAX_FAILURES} failures in a row" in (engine.status().reason or "")
        with pytest.raises(NotReady):
            asked(engine)


def test_whoever_supervises_hears_of_a_death_once() -> None:
    died: list[BaseException] = []
    told = threading.Event()

    def load() -> FakeRunner:
        raise ModelLoadError("there is no model")

    def hear(error: BaseException) -> None:
        died.append(error)
        told.set()

    engine = EngineThread(load, Limits(), died=hear)
    engine.start()
    assert told.wait(DEADLINE)
    engine.stop(DEADLINE)
    assert [str(error) for error in died] == ["there is no model"]


def test_an_orderly_end_is_no_death() -> None:
    died: list[BaseException] = []
    engine = EngineThread(FakeRunner, Limits(), died=died.append)
    engine.start()
    until(engine, "ready")
    engine.stop(DEADLINE)
    assert died == []


def test_a_place_is_asked_for_before_there_is_a_request() -> None:
    runner = GatedRunner()
    with running(lambda: runner, max_queue=2, max_batch=1) as engine:
        until(engine, "ready")
        engine.check_room(1)
        first = asked(engine)
        first.get(timeout=DEADLINE)
        second = asked(engine)
        engine.check_room(0)
        with pytest.raises(QueueFull):
            engine.check_room(1)
        runner.gate.release(100)
        assert end_of(first) == end_of(second) == Finished("stop", 4)


def test_what_is_cached_is_listed_counted_and_dropped() -> None:
    runner = FakeRunner()
    with running(lambda: runner) as engine:
        until(engine, "ready")
        tokens = list(range(1, 40))
        events: queue.Queue[Event] = queue.Queue()
        asking = generation(tokens, system_end=20, session="me", system_hash="abc")
        engine.submit(asking, events.put)
        end_of(events)
        assert engine.cached(asking.prompt).result(DEADLINE) == len(tokens) - 1
        wait_until(lambda: len(engine.prefixes()) == 2)
        assert {(told.system_hash, told.session) for told in engine.prefixes()} == {("abc", "me")}
        assert engine.drop_cache().result(DEADLINE) == 2
        assert runner.chat.forgot == 1
        assert list(engine.prefixes()) == []
        assert engine.cached(asking.prompt).result(DEADLINE) == 0


def test_warming_takes_no_place_and_shows_apart() -> None:
    runner = GatedRunner()
    with running(lambda: runner, max_queue=1, max_batch=1) as engine:
        until(engine, "ready")
        first = asked(engine)
        first.get(timeout=DEADLINE)
        warmed = asked(engine, list(range(50, 90)), warm=True)
        runner.gate.release(1)
        wait_until(lambda: engine.status().warming == 1)
        status = engine.status()
        assert (status.active, status.waiting, status.queued_tokens) == (1, 0, 0)
        engine.check_room(0)
        runner.gate.release(100)
        assert end_of(first) == Finished("stop", 4)
        assert end_of(warmed) == Finished("stop", 0)


def test_a_question_to_an_engine_that_ends_is_answered() -> None:
    runner = GatedRunner()
    with running(lambda: runner) as engine:
        until(engine, "ready")
        asked(engine).get(timeout=DEADLINE)
        answer = engine.cached(generation([1, 2, 3]).prompt)
        engine._loop.stopping = True
        runner.gate.release(1)
        with contextlib.suppress(NotReady):
            assert answer.result(DEADLINE) >= 0
        engine.drain()
        with pytest.raises(NotReady):
            engine.drop_cache()


def test_tokens_are_counted() -> None:
    with running(FakeRunner) as engine:
        until(engine, "ready")
        assert engine.count("one two three") == 3
    with pytest.raises(NotReady):
        engine.count("one")


def test_a_hung_engine_is_told_from_a_busy_one() -> None:
    engine = EngineThread(FakeRunner, Limits())
    engine._inbox.state = "ready"
    assert not engine.status().hung
    engine._loop.pace.beat -= 31
    assert engine.status().hung
    engine._loop.pace.longest_turn = 20
    assert not engine.status().hung


@pytest.mark.parametrize(("seconds", "state"), [(0.25, "dead"), (200.0, "ready")])
def test_an_engine_whose_program_was_stopped_does_not_hang(
    monkeypatch: pytest.MonkeyPatch, seconds: float, state: State
) -> None:
    """Ctrl-Z, a machine that was asleep: who watches was stopped as well."""
    engine = EngineThread(FakeRunner, Limits())
    engine._inbox.state = "ready"
    start = time.monotonic()
    engine._loop.pace.beat = start - 200
    looks = iter([start - seconds, start])
    monkeypatch.setattr(engine_thread, "time", SimpleNamespace(monotonic=lambda: next(looks)))
    monkeypatch.setattr(engine, "_stopped", Looks(1))
    engine._watch()
    assert engine.status().state == state


class Looks:
    """Lets somebody look so many times."""

    def __init__(self, count: int) -> None:
        self._left = count

    def wait(self, seconds: float) -> bool:
        self._left -= 1
        return self._left < 0


def test_cancelling_what_is_over_does_nothing() -> None:
    with running(FakeRunner) as engine:
        until(engine, "ready")
        events: queue.Queue[Event] = queue.Queue()
        ticket = engine.submit(generation([1, 2, 3]), events.put)
        end_of(events)
        engine.cancel(ticket)
        assert end_of(asked(engine)) == Finished("stop", 3)
        assert engine.status().cancelled == 0


def test_a_signal_in_the_middle_of_a_submission_drains() -> None:
    """It is caught on the thread that it interrupts, which may hold the engine's lock."""
    with running(FakeRunner) as engine:
        until(engine, "ready")
        interrupted = Interrupted(engine)
        engine._inbox._items = interrupted  # type: ignore[assignment]
        submitting = threading.Thread(target=engine.submit, args=(generation([1, 2]), lambda event: None), daemon=True)
        submitting.start()
        submitting.join(DEADLINE)
        assert not submitting.is_alive()
        assert engine.status().state == "draining"


class Interrupted:
    """A queue into which something is being put when the signal comes."""

    def __init__(self, engine: EngineThread) -> None:
        self._engine, self._items = engine, engine._inbox._items
        self._caught = False

    def put(self, item: Any) -> None:
        if not self._caught:
            self._caught = True
            self._engine.drain()
        self._items.put(item)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._items, name)
