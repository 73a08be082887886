"""A `top_p` of 0, with which only the likeliest token is left, gave the whole distribution: mlx-lm takes 0 for none."""

from pathlib import Path

import pytest

from tests.support import tiny_model
from tests.support.worker import real_worker

HI = [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize("seed", [None, 7])
def test_a_top_p_of_zero_is_greedy(tmp_path: Path, seed: int | None) -> None:
    with real_worker(tiny_model.build(tmp_path / "model").folder) as worker:
        greedy, zero = (
            worker.ask(HI, max_tokens=8, seed=seed, **sampling)["choices"][0]["message"]["content"]
            for sampling in ({"temperature": 0}, {"temperature": 1.5, "top_p": 0})
        )
    assert zero == greedy
