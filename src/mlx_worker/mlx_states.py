"""What a model has computed (mlx-lm's caches, a list with one for each layer), copied and cut back.

- A copy is free until one side writes, then all of it is copied, so a copy cut back owns only its part.
- A state out of a batch is a slice, which would pin the memory of the whole batch.
- Layers of plain attention can be cut back to any length. All others (recurrent ones, sliding windows once they are
  full) are put back from a copy made there.
"""

import copy
from collections.abc import Sequence
from typing import Any

import mlx.core as mx
from mlx_lm.models.cache import ArraysCache, KVCache, can_trim_prompt_cache, trim_prompt_cache

from mlx_worker.prefix_entry import Cut


def is_plain(layer: Any) -> bool:
    """Whether a layer's state can be cut back however long it has grown."""
    return type(layer) is KVCache


def fork(kv: Sequence[Any], length: int | None = None, cut: Cut | None = None) -> list[Any]:
    """A copy that may be written to, cut back to `length` tokens when given; evaluated."""
    fixed = cut.state if cut else [None] * len(kv)
    twin = [copy.deepcopy(layer if put is None else put) for layer, put in zip(kv, fixed, strict=True)]
    if length is not None:
        _cut_back([layer for layer, put in zip(twin, fixed, strict=True) if put is None], length)
    evaluate(twin)
    return twin


def cut_of(kv: Sequence[Any]) -> Cut:
    """A copy of what cannot be cut back."""
    fixed = [None if is_plain(layer) else copy.deepcopy(layer) for layer in kv]
    evaluate(fixed)
    return Cut(fixed, nbytes(fixed))


def nbytes(kv: Sequence[Any]) -> int:
    return sum(int(layer.nbytes) for layer in kv if layer is not None)


def evaluate(kv: Sequence[Any]) -> None:
    """What is not evaluated pins all that it is computed from."""
    mx.eval([layer.state for layer in kv if layer is not None])


def detach(kv: Sequence[Any]) -> None:
    """Give a state that was taken out of a batch memory of its own, and evaluate it."""
    _own_recurrent_states(kv)
    evaluate(kv)


def _cut_back(layers: list[Any], length: int) -> None:
    surplus = max((_computed(layer) for layer in layers), default=0) - length
    if surplus > 0 and can_trim_prompt_cache(layers):
        trim_prompt_cache(layers, surplus)
        _own_only_what_is_left(layers)


def _computed(layer: Any) -> int:
    """Tokens in one layer's state."""
    return int(getattr(layer, "offset", 0)) if not hasattr(layer, "caches") else max(map(_computed, layer.caches))


def _own_only_what_is_left(layers: Sequence[Any]) -> None:
    """Without this, the first write would copy the whole state that was cut back, however long it was."""
    for layer in layers:
        if type(layer) is KVCache and layer.keys is not None:
            layer.keys = mx.contiguous(layer.keys[..., : layer.offset, :])
            layer.values = mx.contiguous(layer.values[..., : layer.offset, :])


def _own_recurrent_states(kv: Sequence[Any]) -> None:
    for layer in kv:
        if isinstance(layer, ArraysCache):
            layer.cache = [None if part is None else mx.contiguous(part) for part in layer.cache]
        _own_recurrent_states(getattr(layer, "caches", ()))
