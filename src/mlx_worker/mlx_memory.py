"""The memory that MLX uses. Safe to read from any thread."""

import mlx.core as mx
import psutil

from mlx_worker.engine import Memory


def read_memory(limit: int) -> Memory:
    """limit: what models and states may take here, `mlx_states.memory_limit`."""
    return Memory(
        active=mx.get_active_memory(),
        cached=mx.get_cache_memory(),
        peak=mx.get_peak_memory(),
        limit=limit,
        resident=psutil.Process().memory_info().rss,
    )
