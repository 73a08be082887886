"""Which tokens may be sampled, against mlx-lm's own samplers; and that no value of a setting is compiled."""

from pathlib import Path

import mlx.core as mx
import pytest
from mlx_lm.sample_utils import apply_min_p, apply_top_k, apply_top_p, make_sampler

from mlx_worker.generation import Sampling
from mlx_worker.mlx_sampling import Limits, limited, sampler_of


@pytest.fixture
def logprobs() -> mx.array:
    """Of three sequences, from nearly certain to nearly even."""
    logits = mx.random.normal((3, 500), key=mx.random.key(1)) * mx.array([[9.0], [3.0], [0.1]])
    return logits - mx.logsumexp(logits, axis=-1, keepdims=True)


@pytest.mark.parametrize("share", [0.001, 0.3, 0.9, 0.999])
def test_the_likeliest_that_have_a_share(logprobs: mx.array, share: float) -> None:
    assert mx.array_equal(limited(logprobs, Limits(share, 0, 0)), apply_top_p(logprobs, share))


@pytest.mark.parametrize("part", [0.001, 0.1, 1.0])
def test_those_at_least_a_part_as_likely_as_the_likeliest(logprobs: mx.array, part: float) -> None:
    assert mx.array_equal(limited(logprobs, Limits(1, part, 0)), apply_min_p(logprobs, part))


@pytest.mark.parametrize("count", [1, 20, 499])
def test_the_likeliest_by_number(logprobs: mx.array, count: int) -> None:
    assert mx.array_equal(limited(logprobs, Limits(1, 0, count)), apply_top_k(logprobs, count))


def test_what_a_grammar_forbids_stays_impossible(logprobs: mx.array) -> None:
    held = mx.where(mx.arange(500) < 2, logprobs, -float("inf"))
    left = mx.isfinite(limited(held, Limits(0.999, 0.0001, 40)))
    assert not left[:, 2:].any()
    assert left.any(axis=-1).all()


def test_no_limit_changes_nothing(logprobs: mx.array) -> None:
    assert limited(logprobs, Limits(1, 0, 0)) is logprobs


def test_greedy_is_the_likeliest(logprobs: mx.array) -> None:
    for sampling in (Sampling(temperature=0), Sampling(temperature=1, top_p=0)):
        assert mx.array_equal(sampler_of(sampling, 500)(logprobs), mx.argmax(logprobs, axis=-1))


def test_equal_settings_share_a_sampler() -> None:
    assert sampler_of(Sampling(temperature=0.5, top_k=9), 500) is sampler_of(Sampling(temperature=0.5, top_k=9), 500)


@pytest.mark.parametrize("seed", [None, 7])
def test_no_setting_is_compiled(logprobs: mx.array, seed: int | None, tmp_path: Path) -> None:
    """What MLX compiles for a value it keeps for ever, and on a CPU it takes a second."""
    sampling = Sampling(temperature=0.71, top_p=0.93, min_p=0.01, top_k=40, seed=seed)
    assert "Compiled" not in drawn(sampler_of(sampling, 500)(logprobs), tmp_path / "ours")
    theirs = make_sampler(0.71, top_p=0.93, min_p=0.01, top_k=40)
    assert "Compiled" in drawn(theirs(logprobs), tmp_path / "theirs")


def drawn(result: mx.array, file: Path) -> str:
    """The operations that a result is to be computed by."""
    mx.export_to_dot(str(file), result)
    return file.read_text()
