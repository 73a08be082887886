"""R6 and R19: the worker when clients leave, and when its engine hangs or dies.

    python scripts/test/measures/worker.py [--scale F]

R6: clients leave a real worker on a tiny model while it computes their prompt and while it decodes their answer, with
another request waiting for the only place; the time runs from the client's close, less what was left of the chunk or
token that was being computed. R19: the engine stands still in a token or a chunk, or its steps fail, with a request in
work and one waiting. At scale 1, 100 clients leave at each moment, and 10 engines hang or die in each way.
"""

import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from measuring import scale, tell
from tests.support import tiny_model
from tests.support.filler import filler
from tests.support.worker import Worker, real_worker

from mlx_worker.jobs import Job, Limits

LEAVE, BREAK = 100, 10
BEYOND, REUSED = 0.020, 0.050
"""Seconds: beyond the token or chunk in work, and until the place is taken again."""
BAD, TOLD = 2.0, 3.0
DEADLINE = 60.0


@dataclass
class Watch:
    """What the engine's thread does, in seconds of the monotonic clock: when turns ended, and the last events."""

    ended: list[float] = field(default_factory=list)
    dropped: float = 0.0
    admitted: float = 0.0
    heard: threading.Event = field(default_factory=threading.Event)

    def follow(self, worker: Worker) -> None:
        turns = worker.engine._loop.turns
        assert turns is not None
        turn, let_go, admit = turns.turn, turns._let_go, turns._admit

        def timed_turn() -> None:
            turn()
            self.ended.append(time.monotonic())

        def timed_let_go() -> None:
            before = turns.figures.cancelled
            let_go()
            if turns.figures.cancelled > before:
                self.dropped = time.monotonic()

        def timed_admit(job: Job) -> None:
            if self.dropped and not self.admitted:
                self.admitted = time.monotonic()
                self.heard.set()
            admit(job)

        turns.turn, turns._let_go, turns._admit = timed_turn, timed_let_go, timed_admit  # type: ignore[method-assign]

    def reset(self) -> None:
        self.dropped = self.admitted = 0.0
        self.ended.clear()
        self.heard.clear()


@dataclass(frozen=True)
class Left:
    """Seconds after the end of the turn in work: until the request is gone, until the next one has the place."""

    beyond: float
    reused: float


def main(part: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "tiny"
        tiny_model.build(model)
        tell({"R6": leaving(model, part), "R19": breaking(model, part)})


# -- R6 -----------------------------------------------------------------------------------------------------------


def leaving(model: Path, part: float) -> dict[str, object]:
    times = max(1, round(LEAVE * part))
    watch, left = Watch(), []
    eos = json.loads((model / "config.json").read_text())["eos_token_id"]
    endless = {"max_tokens": 20_000, "logit_bias": {str(eos): -100}}
    with real_worker(model, max_batch=1) as worker, ThreadPoolExecutor(2) as pool:
        watch.follow(worker)
        for number in range(2 * times):
            left.append(_left(worker, watch, pool, number, endless, decoding=number % 2 == 1))
            print(f"client {number + 1}: {left[-1]}", file=sys.stderr)
    beyond, reused = [one.beyond for one in left], [one.reused for one in left]
    measured = (
        f"{len(left)} clients: gone after the token or chunk in work and {_spread(beyond)}; the place is taken again "
        f"after {_spread(reused)}"
    )
    return {"measured": measured, "met": _p99(beyond) <= BEYOND and _p99(reused) <= REUSED}


def _left(
    worker: Worker, watch: Watch, pool: ThreadPoolExecutor, number: int, endless: dict[str, Any], *, decoding: bool
) -> Left:
    watch.reset()
    prompt = filler(300 if decoding else 20_000, f"question {number}")
    body = {**endless, "messages": [{"role": "user", "content": prompt}], "stream": True}
    with worker.client() as client:
        with client.stream("POST", "/v1/chat/completions", json=body) as answer:
            wanted = "data: " if decoding else ": prefill"
            lines = answer.iter_lines()
            next(line for line in lines if line.startswith(wanted))
            waiting = pool.submit(worker.ask, [{"role": "user", "content": f"{number}"}], max_tokens=1)
            worker.until(lambda status: status.waiting == 1)
            closed = time.monotonic()
        if not watch.heard.wait(DEADLINE):
            raise TimeoutError("the request was never let go")
    waiting.result(DEADLINE)
    end = next((end for end in watch.ended if end >= closed), watch.dropped)
    return Left(max(watch.dropped - end, 0.0), max(watch.admitted - end, 0.0))


# -- R19 ----------------------------------------------------------------------------------------------------------


def breaking(model: Path, part: float) -> dict[str, object]:
    times = round(BREAK * part)
    ways: dict[str, Callable[[Path], tuple[float, float]]] = {
        "hangs in a token": lambda folder: _hung(folder, "steps", 6),
        "hangs in a chunk": lambda folder: _hung(folder, "chunks", 8),
        "dies": _died,
    }
    if not times:  # a quick try
        times, ways = 1, {"hangs in a token": ways["hangs in a token"]}
    found = {name: [_shown(name, way(model)) for _ in range(times)] for name, way in ways.items()}
    every = [one for each in found.values() for one in each]
    told = "; ".join(
        f"{name}: {max(bad for bad, _ in each):.2f} s, who waits {max(told for _, told in each):.2f} s"
        for name, each in found.items()
    )
    measured = f"{times} times each, the longest until /health is bad: {told}"
    return {"measured": measured, "met": all(bad <= BAD and told <= TOLD for bad, told in every)}


def _shown(name: str, seconds: tuple[float, float]) -> tuple[float, float]:
    print(f"{name}: bad after {seconds[0]:.2f} s, told after {seconds[1]:.2f} s", file=sys.stderr)
    return seconds


def _hung(model: Path, gate: str, permits: int) -> tuple[float, float]:
    with _one_in_work_and_one_waiting(model, gate, permits) as (worker, waiting, at):
        began = at()
        bad = _until_bad(worker) - began
        told = waiting.result(DEADLINE) - began
    return bad, told


def _died(model: Path) -> tuple[float, float]:
    with _one_in_work_and_one_waiting(model, "steps", 6) as (worker, waiting, _):

        def lost(*_: Any) -> None:
            raise SystemExit("the device is lost")

        runner = worker.engine._loop.runner
        assert runner is not None
        runner.step = lost  # type: ignore[assignment, method-assign]
        began = time.monotonic()
        worker.engine.steps.release(1)  # type: ignore[union-attr]
        return _until_bad(worker) - began, waiting.result(DEADLINE) - began


@contextmanager
def _one_in_work_and_one_waiting(
    model: Path, gate: str, permits: int
) -> Iterator[tuple[Worker, "Future[float]", Callable[[], float]]]:
    """A worker that stands still once the permits are used; when the one that waits hears of it; when it began."""
    with real_worker(model, max_batch=1, still_seconds=Limits().still_seconds) as worker, ThreadPoolExecutor(2) as pool:
        semaphore = threading.Semaphore(permits)
        setattr(worker.engine, gate, semaphore)
        pool.submit(_asked, worker, filler(3000, "long") if gate == "chunks" else "hi")
        while semaphore._value:
            time.sleep(0.001)
        waiting = pool.submit(_asked, worker, "who waits")
        worker.until(lambda status: status.waiting == 1)
        try:
            yield worker, waiting, lambda: worker.engine._loop.pace.beat
        finally:
            semaphore.release(100_000)


def _asked(worker: Worker, question: str) -> float:
    """When it was answered, well or not."""
    with worker.client() as client:
        client.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": question}], "max_tokens": 9})
    return time.monotonic()


def _until_bad(worker: Worker) -> float:
    with worker.client() as client:
        while client.get("/health").status_code == 200:
            time.sleep(0.005)
    return time.monotonic()


def _p99(seconds: Sequence[float]) -> float:
    return sorted(seconds)[min(len(seconds) - 1, int(0.99 * len(seconds)))]


def _spread(seconds: Sequence[float]) -> str:
    p50, p99, most = (1000 * each for each in (statistics.median(seconds), _p99(seconds), max(seconds)))
    return f"{p50:.1f} ms (p99 {p99:.1f}, at most {most:.1f})"


if __name__ == "__main__":
    main(scale(__doc__))
