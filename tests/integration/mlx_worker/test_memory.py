"""What is used of MLX to read the memory: the names, and that their figures move with the arrays."""

import mlx.core as mx

from mlx_worker.mlx_memory import read_memory


def test_the_names_that_are_used() -> None:
    for name in ("get_active_memory", "get_cache_memory", "get_peak_memory"):
        assert callable(getattr(mx, name))


def test_an_array_shows() -> None:
    before = read_memory(7)
    array = mx.zeros((1024, 1024))
    mx.eval(array)
    after = read_memory(7)
    assert after.active - before.active >= array.nbytes
    assert after.peak >= after.active
    assert after.resident > 1 << 20
    assert after.limit == 7
