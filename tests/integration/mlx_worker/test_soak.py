"""Hundreds of mixed requests under cache pressure: every one ends, none changes another's answer, nothing is left.

What is left is counted in objects and in MLX's bytes, which are ours. What the allocator keeps of freed memory is
measured by scripts/bench/soak.py.
"""

import gc
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest

from mlx_worker.engine import EngineStatus
from tests.support.soak import Soak
from tests.support.worker import Worker, real_worker

REQUESTS = 90
CACHE = 8_000_000
OURS = ("mlx_worker", "mlx_lm", "llguidance")
NATIVE = 100_000  # bytes
LOOKS = 200


@pytest.fixture
def pressed(trained_model: Path, tmp_path: Path) -> Iterator[Worker]:
    """A worker with room for a few prefixes."""
    disk: dict[str, Any] = {"disk_cache_dir": tmp_path, "disk_cache_bytes": 4 * CACHE}
    with real_worker(trained_model, cache_bytes=CACHE, max_queue=200, **disk) as worker:
        yield worker


def at_rest(status: EngineStatus) -> bool:
    return status.active == status.waiting == 0


def left(worker: Worker, known: Counter[str] | None = None) -> tuple[Counter[str], int]:
    """At rest and with the cache forgotten: live objects of the worker's classes, and bytes of arrays.

    known: what may be there. The server hears a little later than its clients that they have left.
    """
    worker.until(at_rest)
    worker.engine.drop_cache().result(30)
    for _ in range(LOOKS):
        objects = ours()
        if known is None or not objects - known:
            break
        time.sleep(0.05)
    return objects, mx.get_active_memory()


def ours() -> Counter[str]:
    gc.collect()
    kinds = [type(one) for one in gc.get_objects()]
    found = [kind for kind in kinds if kind.__module__.partition(".")[0] in OURS]
    return Counter(f"{kind.__module__}.{kind.__qualname__}" for kind in found)


def check_status(status: EngineStatus) -> None:
    assert status.state == "ready"
    assert status.failed == 0
    assert status.cache is not None
    assert status.cache.nbytes <= CACHE


@pytest.mark.timeout(600)
def test_nothing_is_stuck_wrong_or_left_behind(pressed: Worker) -> None:
    soak = Soak(pressed.url)
    soak.run(REQUESTS // 3)
    objects, arrays = left(pressed)
    soak.run(REQUESTS, seed=2)
    assert soak.wrong == []
    check_status(pressed.until(at_rest))
    objects_after, arrays_after = left(pressed, objects)
    assert objects_after - objects == Counter()
    assert arrays_after <= arrays + NATIVE
    assert min(soak.outcomes.values()) > 0
    assert soak.outcomes["the same as alone"] > REQUESTS / 5


@pytest.mark.timeout(600)
def test_new_tools_and_prompts_do_not_pile_up(pressed: Worker) -> None:
    """What is remembered of requests has a bound: grammars, sessions, samplers."""

    def ask(number: int) -> None:
        parameters = {"type": "object", "properties": {f"field_{number}": {"type": "integer"}}}
        tool = {"type": "function", "function": {"name": f"tool_{number}", "parameters": parameters}}
        messages = [{"role": "system", "content": f"You are number {number}."}, {"role": "user", "content": "hi"}]
        body = {"messages": messages, "tools": [tool], "max_tokens": 2, "top_p": 1 / (number + 2)}
        headers = {"X-Session-Id": f"session-{number}"}
        assert client.post("/v1/chat/completions", json=body, headers=headers).status_code == 200

    with pressed.client() as client:
        for number in range(40):
            ask(number)
        objects, arrays = left(pressed)
        for number in range(40, 80):
            ask(number)
    objects_after, arrays_after = left(pressed, objects)
    assert objects_after - objects == Counter()
    assert arrays_after <= arrays + NATIVE
