"""States that were cut back while they grew: what is computed on them is what is computed without the cut."""

from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx_lm
import pytest
from mlx_lm.models.cache import RotatingKVCache, make_prompt_cache

from mlx_worker import mlx_states

WINDOW = 64
NEXT = [5, 6, 7]


@pytest.fixture(scope="module")
def window(window_model: Path) -> Any:
    return mlx_lm.load(str(window_model))[0]


def tokens(count: int, start: int = 0) -> list[int]:
    return [(start + place) * 37 % 900 + 50 for place in range(count)]


def add(model: Any, kv: Any, more: list[int]) -> Any:
    logits = model(mx.array(more)[None], cache=kv)
    mx.eval(logits, [layer.state for layer in kv])
    return logits[0, -1]


@pytest.mark.parametrize("before", [0, 20, 63, 64, 65, 200])
@pytest.mark.parametrize(("chunk", "back"), [(2, 1), (30, 6), (90, 6), (90, 80), (200, 199)])
def test_a_window_is_cut_back_within_the_latest_chunk(window: Any, before: int, chunk: int, back: int) -> None:
    kv, stopped = make_prompt_cache(window), make_prompt_cache(window)
    if before:
        add(window, kv, tokens(before))
        add(window, stopped, tokens(before))
    add(window, kv, tokens(chunk, before))
    add(window, stopped, tokens(chunk - back, before))
    end = before + chunk - back
    cut = mlx_states.cut_of(kv, back)
    again = mlx_states.fork(kv, end, cut)
    assert {layer.offset for layer in again} == {end}
    assert mx.allclose(add(window, again, NEXT), add(window, stopped, NEXT), atol=1e-4)
    assert mx.allclose(add(window, again, NEXT[:1]), add(window, stopped, NEXT[:1]), atol=1e-4)
    assert {layer.offset for layer in kv} == {before + chunk}, "the state itself is still whole"


def test_a_cut_holds_the_window_alone_and_shares_it(window: Any) -> None:
    kv = make_prompt_cache(window)
    add(window, kv, tokens(500))
    whole = mlx_states.nbytes(kv)
    cut = mlx_states.cut_of(kv)
    windows = [layer for layer in cut.state if layer is not None]
    assert len(windows) == 2
    assert {layer.keys.shape[2] for layer in windows} == {WINDOW}
    assert {layer.keys.shape[2] for layer in kv if isinstance(layer, RotatingKVCache)} == {WINDOW}
    assert mlx_states.nbytes(kv) < whole
    assert mlx_states.cut_of(kv, 0).nbytes == cut.nbytes


def test_a_narrowed_window_goes_on_as_it_would_have(window: Any) -> None:
    kv, left = make_prompt_cache(window), make_prompt_cache(window)
    add(window, kv, tokens(300))
    add(window, left, tokens(300))
    mlx_states.cut_of(kv)
    for step in (1, 1, 40, 1, 100, 1):
        mlx_states.cut_of(kv)
        assert mx.allclose(add(window, kv, tokens(step)), add(window, left, tokens(step)), atol=1e-4)
