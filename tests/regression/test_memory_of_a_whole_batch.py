"""A recurrent state kept from a batch pinned the states of the whole batch, and was counted as one.

mlx-lm hands it out as a slice. With eight decoding at once, the prefix cache held up to eight times its budget.
"""

import gc
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest

from mlx_worker.generation import Generation, Prompt, Sampling
from mlx_worker.mlx_engine import MlxRunner, load_runner
from tests.support import tiny_model

BATCH = 4
PROMPT = list(range(10, 30))
BIG_STATES = {"linear_num_value_heads": 16, "linear_num_key_heads": 16, "linear_key_head_dim": 64}


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MlxRunner:
    """A hybrid model whose recurrent states are bigger than what MLX rounds memory to."""
    monkeypatch.setitem(tiny_model.SPECIALS, "qwen3_next", tiny_model.SPECIALS["qwen3_next"] | BIG_STATES)
    return load_runner(tiny_model.build(tmp_path / "model", "qwen3_next").folder)


def started(runner: MlxRunner, max_tokens: int) -> int:
    kv = runner.new_kv()
    runner.prefill(kv, PROMPT[:-1])
    return runner.start(kv, Generation(Prompt(tuple(PROMPT)), max_tokens, Sampling(temperature=0.0)))


def dropped(runner: MlxRunner, uids: list[int]) -> Any:
    return runner.drop(uids[0])[0]


def finished(runner: MlxRunner, uids: list[int]) -> Any:
    while True:
        for step in runner.step():
            if step.uid == uids[0] and step.end:
                return step.kv


@pytest.mark.parametrize("taken", [dropped, finished])
def test_a_state_taken_from_a_batch_holds_its_own_memory_alone(runner: MlxRunner, taken: Any) -> None:
    gc.collect()
    before = mx.get_active_memory()
    uids = [started(runner, max_tokens) for max_tokens in (4, 100, 100, 100)]
    for _ in range(3):
        runner.step()
    kept = taken(runner, uids)
    for uid in uids[1:]:
        runner.drop(uid)
    uids.clear()
    gc.collect()
    assert mx.get_active_memory() - before < 1.5 * runner.nbytes(kept)
