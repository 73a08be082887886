"""The memory that MLX uses and may use. Safe to read from any thread."""

import mlx.core as mx
import psutil

from mlx_worker.engine import Memory


def read_memory() -> Memory:
    return Memory(
        active=mx.get_active_memory(),
        cached=mx.get_cache_memory(),
        peak=mx.get_peak_memory(),
        limit=memory_limit(),
        resident=psutil.Process().memory_info().rss,
    )


def memory_limit() -> int:
    """Bytes that a model should stay below: Metal's own recommendation, else the machine's memory."""
    recommended = mx.device_info().get("max_recommended_working_set_size") if mx.metal.is_available() else None
    return int(recommended or psutil.virtual_memory().total)
