"""The disk tier on real models: a worker that was restarted says the same, and computes only what is new."""

import stat
from pathlib import Path
from typing import Any

import pytest

from tests.support.filler import filler
from tests.support.worker import Worker, real_worker

ASKED = [
    {"role": "system", "content": filler(1500, "system")},
    {"role": "user", "content": filler(600, "question")},
]
FOLLOW_UP = [*ASKED, {"role": "assistant", "content": "Yes."}, {"role": "user", "content": "Go on."}]


def computed(answer: Any) -> int:
    usage = answer["usage"]
    return int(usage["prompt_tokens"] - usage["prompt_tokens_details"]["cached_tokens"])


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.safetensors"))


@pytest.fixture(params=["attention_model", "hybrid_model", "window_model"])
def model(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.getfixturevalue(request.param)
    return folder


def follow_up(worker: Worker) -> Any:
    return worker.ask(FOLLOW_UP, max_tokens=8)


def test_a_restarted_worker_goes_on_where_it_was(model: Path, tmp_path: Path) -> None:
    disk: dict[str, Any] = {"disk_cache_dir": tmp_path, "disk_cache_bytes": 1 << 30}
    with real_worker(model, **disk) as worker:
        cold = computed(worker.ask(ASKED, max_tokens=8))
    with real_worker(model) as worker:
        without = follow_up(worker)
    with real_worker(model, **disk) as worker:
        found = follow_up(worker)
    assert computed(found) < computed(without) - cold // 2
    assert found["choices"] == without["choices"]
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files(tmp_path))


def test_a_damaged_file_costs_its_tokens_and_nothing_else(model: Path, tmp_path: Path) -> None:
    disk: dict[str, Any] = {"disk_cache_dir": tmp_path, "disk_cache_bytes": 1 << 30}
    with real_worker(model, **disk) as worker:
        worker.ask(ASKED, max_tokens=8)
    for file in files(tmp_path):
        content = bytearray(file.read_bytes())
        content[-100] ^= 1
        file.write_bytes(content)
    with real_worker(model, **disk) as worker:
        found = follow_up(worker)
    with real_worker(model) as worker:
        without = follow_up(worker)
    assert computed(found) == computed(without)
    assert found["choices"] == without["choices"]
