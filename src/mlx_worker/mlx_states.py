"""What a model has computed (mlx-lm's caches, a list with one for each layer), copied and cut back.

- A copy is free until one side writes, then all of it is copied, so a copy cut back owns only its part.
- A state out of a batch is a slice, which would pin the memory of the whole batch.
- Layers of plain attention, quantised or not, can be cut back to any length. All others (recurrent ones, sliding
  windows once they are full) are put back from a copy made there.
- Of a sliding window, mlx-lm holds the tokens computed last beside what the window showed before the first of them
  (`RotatingKVCache._update_concat`). So until the next ones come, it can be cut back by as many as these.
"""

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import psutil
from mlx_lm.models.cache import (
    ArraysCache,
    KVCache,
    QuantizedKVCache,
    RotatingKVCache,
    can_trim_prompt_cache,
    load_prompt_cache,
    save_prompt_cache,
    trim_prompt_cache,
)

from mlx_worker.prefix_entry import Cut


def is_plain(layer: Any) -> bool:
    """Whether a layer's state can be cut back however long it has grown."""
    return type(layer) in (KVCache, QuantizedKVCache)


def fork(kv: Sequence[Any], length: int | None = None, cut: Cut | None = None) -> list[Any]:
    """A copy that may be written to, cut back to `length` tokens when given; evaluated."""
    fixed = cut.state if cut else [None] * len(kv)
    twin = [copy.deepcopy(layer if put is None else put) for layer, put in zip(kv, fixed, strict=True)]
    if length is not None:
        _cut_back([layer for layer, put in zip(twin, fixed, strict=True) if put is None], length)
    evaluate(twin)
    return twin


def steps_back(layer: Any) -> bool:
    """Whether a layer's state can be cut back to any place among the tokens that were computed last, in one piece."""
    return is_plain(layer) or (type(layer) is RotatingKVCache and layer.keep == 0)


def cut_of(kv: Sequence[Any], back: int = 0) -> Cut:
    """A copy of what cannot be cut back, as it was before the last `back` tokens, which came in one piece with others.

    With none taken back, windows in `kv` itself are left with what they show, and the copy shares that with them.
    """
    if not back:
        _narrow(kv)
    fixed = [None if is_plain(layer) else copy.deepcopy(layer) for layer in kv]
    if back:
        _narrow(fixed, back)
    evaluate(fixed)
    return Cut(fixed, nbytes(fixed))


def _narrow(kv: Sequence[Any], back: int = 0) -> None:
    """Leave of each window what it shows after the last but `back` tokens. Those that went round hold no more."""
    for layer in kv:
        if type(layer) is RotatingKVCache and layer.keys is not None and layer._idx == layer.keys.shape[2]:
            end = layer._idx - back
            begin = max(end - layer.max_size, 0)
            if begin or back:
                layer.keys, layer.values = (
                    mx.contiguous(part[..., begin:end, :]) for part in (layer.keys, layer.values)
                )
                layer.offset, layer._idx = layer.offset - back, end - begin


def nbytes(kv: Sequence[Any]) -> int:
    return sum(int(layer.nbytes) for layer in kv if layer is not None and not _is_new(layer))


def _is_new(layer: Any) -> bool:
    """Quantised layers that hold nothing yet cannot tell their bytes."""
    return isinstance(layer, QuantizedKVCache) and layer.keys is None


def evaluate(kv: Sequence[Any]) -> None:
    """What is not evaluated pins all that it is computed from."""
    mx.eval([layer.state for layer in kv if layer is not None])


def detach(kv: Sequence[Any]) -> None:
    """Give a state that was taken out of a batch memory of its own, and evaluate it."""
    _own_recurrent_states(kv)
    evaluate(kv)


def save(file: Path, kv: Sequence[Any], cuts: Mapping[int, Cut] | None, head: Mapping[str, str]) -> None:
    """Write a state and its cuts as one list of layers; `head` goes into the file's metadata."""
    layers = [*kv]
    for _, cut in _inner(cuts):
        layers += [layer for layer in cut.state if layer is not None]
    ends = json.dumps(None if cuts is None else sorted(cuts))
    lasting = json.dumps([end for end, cut in (cuts or {}).items() if cut.lasting])
    save_prompt_cache(str(file), layers, {**head, "layers": str(len(kv)), "cuts": ends, "lasting": lasting})


def load(file: Path) -> tuple[list[Any], dict[int, Cut] | None]:
    """What `save` wrote; evaluated. Raises anything for a file that it did not write."""
    layers, head = load_prompt_cache(str(file), return_metadata=True)
    evaluate(layers)
    count, ends = int(head["layers"]), json.loads(head["cuts"])
    kv, rest = layers[:count], iter(layers[count:])
    if ends is None:
        return kv, None
    cuts = {}
    for end in ends[:-1]:
        fixed = [None if is_plain(layer) else next(rest) for layer in kv]
        cuts[end] = Cut(fixed, nbytes(fixed))
    cuts[ends[-1]] = cut_of(kv)
    lasting = json.loads(head.get("lasting", "[]"))
    return kv, {end: replace(cut, lasting=end in lasting) for end, cut in cuts.items()}


def memory_limit() -> int:
    """Bytes that models and states may take: what Metal recommends, or what the machine has, less what others need.

    The buffers that mlx keeps of freed arrays are bounded by a part of that.
    """
    total = psutil.virtual_memory().total
    limit = max(total - 8 * 10**9, total * 6 // 10)
    if mx.metal.is_available():
        limit = min(limit, int(mx.device_info()["max_recommended_working_set_size"]) * 9 // 10)
    mx.set_cache_limit(limit // 8)
    return limit


def _inner(cuts: Mapping[int, Cut] | None) -> list[tuple[int, Cut]]:
    """All but the last, which is what the state itself holds."""
    return sorted((cuts or {}).items())[:-1]


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
        if is_plain(layer) and layer.keys is not None:
            layer.keys, layer.values = (_begun(part, layer.offset) for part in (layer.keys, layer.values))


def _begun(part: Any, length: int) -> Any:
    """The first tokens of keys or values, which are three arrays where they are quantised."""
    if isinstance(part, list | tuple):
        return tuple(mx.contiguous(array[..., :length, :]) for array in part)
    return mx.contiguous(part[..., :length, :])


def _own_recurrent_states(kv: Sequence[Any]) -> None:
    for layer in kv:
        if isinstance(layer, ArraysCache):
            layer.cache = [None if part is None else mx.contiguous(part) for part in layer.cache]
        _own_recurrent_states(getattr(layer, "caches", ()))
