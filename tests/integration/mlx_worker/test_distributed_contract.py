"""What mlx_distributed takes of mlx and mlx-lm, so that an upgrade says what it moved. A group of one is enough."""

import inspect
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from mlx_lm.models.cache import make_prompt_cache
from mlx_lm.models.qwen3 import Model as Sliced
from mlx_lm.utils import sharded_load

from mlx_worker.errors import ModelLoadError
from mlx_worker.mlx_distributed import agreed, check_splits
from tests.support import tiny_model


@pytest.fixture(scope="module")
def alone() -> Any:
    """Without a hostfile in the environment, a group of one."""
    return mx.distributed.init()


def test_init_names_its_backend() -> None:
    assert mx.distributed.is_available("ring")
    with pytest.raises(RuntimeError):
        mx.distributed.init(strict=True, backend="ring")  # nothing in the environment says who else there is


def test_a_group_knows_its_size_and_sums(alone: Any) -> None:
    assert (alone.rank(), alone.size()) == (0, 1)
    assert mx.distributed.all_sum(mx.array([3], mx.uint32), group=alone).tolist() == [3]


def test_sharded_load(attention_model: Path, alone: Any) -> None:
    parameters = inspect.signature(sharded_load).parameters
    assert parameters["trust_remote_code"].default is False
    model, tokenizer, config = sharded_load(
        str(attention_model), return_config=True, tokenizer_config={"trust_remote_code": False}, tensor_group=alone
    )
    assert config["max_position_embeddings"] == 32_768
    assert tokenizer.has_chat_template
    logits = model(mx.array([[0]]), cache=make_prompt_cache(model))
    assert logits.shape[:2] == (1, 1)
    assert hasattr(Sliced, "shard")


def test_what_cannot_be_split_raises_value_error(attention_model: Path, alone: Any) -> None:
    with pytest.raises(ValueError, match="does not support pipelining"):
        sharded_load(str(attention_model), pipeline_group=alone)


def test_equal_samplers_stay_one_object(alone: Any) -> None:
    def sampler(logprobs: Any) -> Any:
        return mx.argmax(logprobs, axis=-1)

    assert agreed(sampler, alone) is agreed(sampler, alone)
    chosen = agreed(sampler, alone)(mx.array([[0.0, 2.0, 1.0]]))
    assert (chosen.tolist(), chosen.dtype) == ([1], mx.uint32)


def test_heads_and_the_index_are_looked_at_before_anything_is_loaded(tmp_path: Path) -> None:
    tiny_model.build(tmp_path / "model")
    check_splits(tmp_path / "model", 2, pipeline=False)
    check_splits(tmp_path / "model", 4, pipeline=False)  # models differ here: the first token tells
    check_splits(tmp_path / "model", 3, pipeline=True)
    with pytest.raises(ModelLoadError, match="its 2 key-value heads do not divide by 3"):
        check_splits(tmp_path / "model", 3, pipeline=False)
    (tmp_path / "model" / "model.safetensors.index.json").unlink()
    with pytest.raises(ModelLoadError, match=r"has no model.safetensors.index.json, which --pipeline needs"):
        check_splits(tmp_path / "model", 2, pipeline=True)
