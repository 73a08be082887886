"""Hundreds of mixed requests under cache pressure: every one ends, none changes another's answer, nothing is left."""

from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest

from mlx_worker.engine import EngineStatus
from tests.support.soak import Soak
from tests.support.worker import real_worker

REQUESTS = 90
CACHE = 8_000_000


def at_rest(status: EngineStatus) -> bool:
    return status.active == status.waiting == 0


@pytest.mark.timeout(600)
def test_nothing_is_stuck_wrong_or_left_behind(trained_model: Path, tmp_path: Path) -> None:
    limits: dict[str, Any] = {
        "cache_bytes": CACHE,
        "disk_cache_dir": tmp_path,
        "disk_cache_bytes": 4 * CACHE,
        "max_queue": 200,
    }
    with real_worker(trained_model, **limits) as worker:
        soak = Soak(worker)
        soak.run(REQUESTS // 3)
        worker.until(at_rest)
        worker.engine.drop_cache().result(30)
        before = mx.get_active_memory()
        soak.run(REQUESTS, seed=2)
        status = worker.until(at_rest)
        assert soak.wrong == []
        assert status.state == "ready"
        assert status.failed == 0
        assert status.cache is not None
        assert status.cache.nbytes <= CACHE
        worker.engine.drop_cache().result(30)
        assert mx.get_active_memory() <= before + 100_000
    assert min(soak.outcomes.values()) > 0
    assert soak.outcomes["the same as alone"] > REQUESTS / 5
