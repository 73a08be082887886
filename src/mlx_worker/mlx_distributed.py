"""One rank's part of a model, loaded with mlx-lm's `sharded_load`.

tensor: every rank has a slice of every layer, and all results are summed twice a layer. pipeline: every rank has some
of the layers; less is sent, but only one rank computes at a time.

A model that cannot be split is refused here: a first token is computed, for what only shows itself then (mlx-lm 0.32.2
splits 3 heads over 2 ranks without a word, and fails on the first prompt).
"""

import json
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx_lm.models.cache import make_prompt_cache
from mlx_lm.utils import sharded_load

from mlx_worker.errors import ModelLoadError
from mlx_worker.mlx_engine import MlxRunner, made_runner
from mlx_worker.model_folder import name_of

Sampler = Callable[[Any], Any]


def check_splits(folder: Path, size: int, *, pipeline: bool) -> None:
    """What can be told without the weights. Raises ModelLoadError."""
    name = name_of(folder)
    if pipeline:
        if not (folder / "model.safetensors.index.json").is_file():
            raise ModelLoadError(
                f"the model {name} has no model.safetensors.index.json, which --pipeline needs: "
                "convert it with mlx_lm.convert, which writes one"
            )
        return
    config = json.loads((folder / "config.json").read_bytes())
    heads = {key: config.get(key, (config.get("text_config") or {}).get(key)) for key in HEADS}
    for key, count in heads.items():
        if isinstance(count, int) and count and count % size and size % count:  # some models repeat heads
            raise ModelLoadError(
                f"the model {name} cannot be split over {size} hosts: its {count} {HEADS[key]} do not divide "
                f"by {size}; take another number of hosts, or --pipeline"
            )


HEADS = {"num_key_value_heads": "key-value heads", "num_attention_heads": "attention heads"}


def load_shard(folder: Path, *, backend: str, pipeline: bool) -> MlxRunner:
    """Join the group that the environment describes, and load this rank's part. All ranks must do so at once.

    Raises ModelLoadError, and RuntimeError when the ranks do not find each other.
    """
    group = mx.distributed.init(strict=True, backend=backend)
    groups = {"pipeline_group": group} if pipeline else {"tensor_group": group}
    try:
        model, tokenizer, config = sharded_load(
            str(folder), return_config=True, tokenizer_config={"trust_remote_code": False}, **groups
        )
        _first_token(model)
    except (ValueError, TypeError, KeyError, AttributeError, AssertionError, ArithmeticError) as error:
        raise _not_split(folder, group.size(), error, pipeline=pipeline) from error
    return made_runner(folder, model, tokenizer, config, partial(agreed, group=group))


def _first_token(model: Any) -> None:
    kv = make_prompt_cache(model)
    mx.eval(model(mx.array([[0]]), cache=kv), [layer.state for layer in kv])


def _not_split(folder: Path, size: int, error: Exception, *, pipeline: bool) -> ModelLoadError:
    other = "without --pipeline" if pipeline else "with --pipeline"
    return ModelLoadError(
        f"the model {name_of(folder)} cannot be split over {size} hosts ({error}): "
        f"try another number of hosts, or start {other}"
    )


@lru_cache(maxsize=64)
def agreed(sampler: Sampler, group: Any) -> Sampler:
    """The first rank's token on every rank. Sums may differ in their last bits between ranks, and so does chance; one
    token that differs would put them out of step for good.

    One object for equal samplers: the generator samples a batch at once when all its samplers are the same.
    """
    mine = 1 if group.rank() == 0 else 0

    def sample(logprobs: Any) -> Any:
        return mx.distributed.all_sum(sampler(logprobs) * mine, group=group)

    return sample
