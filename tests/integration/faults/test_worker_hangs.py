"""W2: an engine that stands still. What is patched for it holds for every engine, so no other one runs beside it."""

import json
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from mlx_worker import engine_thread
from mlx_worker.pace import HUNG_SECONDS, Pace
from tests.support import tiny_model
from tests.support.worker import DEADLINE, Worker, real_worker

HI = [{"role": "user", "content": "hi"}]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    tiny_model.build(folder)
    return folder


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Turns:
    """done: seconds of the turns before, each of this kind. limit: seconds that the next one has."""

    name: str
    doing: Any
    done: tuple[float, ...]
    limit: float


@pytest.mark.parametrize(
    "row",
    [
        Turns("nothing is known yet", "token", (), HUNG_SECONDS),
        Turns("too little is known", "token", (0.03, 0.03), HUNG_SECONDS),
        Turns("quick tokens", "token", (0.03,) * 3, 1.5),
        Turns("slow chunks", "prompt", (2.0, 2.0, 3.0), 15.0),
        Turns("what may take long once", "", (0.03,) * 9, HUNG_SECONDS),
    ],
    ids=lambda row: row.name,
)
def test_how_long_a_turn_may_take(row: Turns) -> None:
    pace = _after(Clock(), row)
    assert pace.limit(row.doing) == pytest.approx(row.limit, rel=0.05)
    assert pace.limit("prompt" if row.doing == "token" else "token") >= HUNG_SECONDS


def test_after_a_rest_the_first_turns_may_take_long() -> None:
    clock = Clock()
    pace = _after(clock, Turns("", "token", (0.03,) * 9, 1.5))
    clock.now += 3600
    pace.begin()
    assert pace.limit("token") == HUNG_SECONDS
    pace.end("token")
    assert pace.limit("token") == HUNG_SECONDS


def test_one_slow_turn_is_remembered_for_a_while() -> None:
    clock = Clock()
    pace = _after(clock, Turns("", "token", (0.03, 0.03, 2.0), 10.0))
    for _ in range(600):
        _turn(clock, pace, "token", 1.0)
    assert pace.limit("token") == pytest.approx(5.0, rel=0.1)


def _after(clock: Clock, row: Turns) -> Pace:
    pace = Pace(1.5, clock)
    for seconds in row.done:
        _turn(clock, pace, row.doing, seconds)
    return pace


def _turn(clock: Clock, pace: Pace, doing: Any, seconds: float) -> None:
    pace.begin()
    clock.now += seconds
    pace.end(doing)


class Patience:
    """Seconds that a turn may take, in place of what `Pace` would have learnt on a machine that may be busy."""

    def __init__(self) -> None:
        self.seconds = 1000.0


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> Patience:
    patience = Patience()
    monkeypatch.setattr(Pace, "limit", lambda pace, doing: patience.seconds)
    monkeypatch.setattr(engine_thread, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(engine_thread, "PATIENCE_SECONDS", 0.0)
    return patience


@contextmanager
def standing_still(model: Path) -> Iterator[tuple[Worker, "Future[httpx.Response]", "queue.Queue[str]"]]:
    """A worker that stands still in the middle of an answer, that answer, and the lines that its client has got."""
    with real_worker(model, max_batch=1) as worker, ThreadPoolExecutor(4) as pool:
        steps = worker.engine.steps = threading.Semaphore(5)
        lines: queue.Queue[str] = queue.Queue()
        answer = pool.submit(_read, worker, lines)
        try:
            worker.until(lambda status: worker.engine.steps_taken == 5)
            yield worker, answer, lines
        finally:
            steps.release(10_000)


def _read(worker: Worker, lines: "queue.Queue[str]") -> httpx.Response:
    body = {"messages": HI, "max_tokens": 12, "temperature": 0, "stream": True}
    with worker.client() as client, client.stream("POST", "/v1/chat/completions", json=body) as answer:
        for line in answer.iter_lines():
            lines.put(line)
    return answer


def test_an_engine_that_hangs_is_said_and_nobody_waits_for_it(model: Path, patience: Patience) -> None:
    """W2. And when it moves again, all is well."""
    with standing_still(model) as (worker, answer, lines), worker.client() as client:
        patience.seconds = 0.0
        health = client.get("/health")
        assert (health.status_code, health.json()["status"]) == (503, "unhealthy")
        assert health.json()["reason"] == "the engine gives no sign of life"
        refused = client.post("/v1/chat/completions", json={"messages": HI})
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0
        assert "no sign of life" in refused.json()["error"]["message"]
        patience.seconds = 1000.0
        worker.engine.steps.release(10_000)  # type: ignore[union-attr]
        assert answer.result(DEADLINE).status_code == 200
        assert "data: [DONE]" in list(lines.queue)
        assert client.get("/health").json()["status"] in ("healthy", "degraded")
        _until(lambda: client.post("/v1/chat/completions", json={"messages": HI, "max_tokens": 2}), 200)


def test_who_waits_behind_an_engine_that_hangs_is_sent_away(model: Path, patience: Patience) -> None:
    """R19. They came before it was known to hang."""
    with standing_still(model) as (worker, answer, _), ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(_status_of, worker) for _ in range(2)]
        worker.until(lambda status: status.waiting == 2)
        patience.seconds = 0.0
        assert [each.result(DEADLINE) for each in waiting] == [503, 503]
        patience.seconds = 1000.0
        worker.engine.steps.release(10_000)  # type: ignore[union-attr]
        assert answer.result(DEADLINE).status_code == 200
        status = worker.until(lambda status: status.active == status.waiting == 0)
        assert status.room is not None
        assert status.room > 2, "places are given back"


def _status_of(worker: Worker) -> int:
    with worker.client() as client:
        return client.post("/v1/chat/completions", json={"messages": HI, "max_tokens": 2}).status_code


def _until(ask: Callable[[], httpx.Response], status: int) -> httpx.Response:
    pause = threading.Event()
    for _ in range(int(DEADLINE * 50)):
        if (answer := ask()).status_code == status:
            return answer
        pause.wait(0.02)
    raise AssertionError(f"it never was {status}: {answer.text}")


def test_an_engine_that_hangs_for_good_is_given_up(
    model: Path, patience: Patience, monkeypatch: pytest.MonkeyPatch
) -> None:
    """W1, W2. All who are there hear of it, and the program may end."""
    with standing_still(model) as (worker, answer, lines):
        patience.seconds = 0.0
        monkeypatch.setattr(engine_thread, "GIVEN_UP_SECONDS", 0.1)
        worker.until(lambda status: status.state == "dead")
        assert answer.result(DEADLINE).status_code == 200
        *_, last = (line for line in lines.queue if line)
        assert "gave no sign of life" in json.loads(last.removeprefix("data: "))["error"]["message"]
