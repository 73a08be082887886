"""A GGUF file becomes a folder with the same numbers under mlx-lm's names; what is not understood is refused."""

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from mlx_worker.gguf import GgufError, convert, module_name
from mlx_worker.model_folder import fault
from tests.support.tiny_gguf import CONTEXT, TEMPLATE, tensors, write_gguf

Q = gguf.GGMLQuantizationType


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "model"
    made.mkdir()
    return made


def converted(folder: Path, dtype: Any = np.float32, **options: Any) -> dict[str, Any]:
    convert(write_gguf(folder.parent / "tiny.gguf", **options), folder, dtype)
    return load_file(folder / "model.safetensors")


@pytest.mark.parametrize(("kind", "step"), [(Q.F32, 0.0), (Q.F16, 0.002), (Q.Q8_0, 0.04), (Q.Q4_1, 0.5)])
def test_every_weight_keeps_its_value(folder: Path, kind: gguf.GGMLQuantizationType, step: float) -> None:
    """`step` bounds the rounding of the format for numbers of this size."""
    found = converted(folder, kind=kind)
    for name, value in tensors().items():
        assert np.abs(found[module_name(name)] - value).max() <= step, name


def test_nothing_is_left_out_or_added(folder: Path) -> None:
    assert set(converted(folder)) == {module_name(name) for name in tensors()}


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_weights_and_configuration_agree_on_the_type(folder: Path, dtype: Any) -> None:
    found = converted(folder, dtype)
    assert {value.dtype for value in found.values()} == {np.dtype(dtype)}
    assert json.loads((folder / "config.json").read_text())["torch_dtype"] == np.dtype(dtype).name


def test_the_configuration_says_how_to_read_the_weights(folder: Path) -> None:
    converted(folder)
    config = json.loads((folder / "config.json").read_text())
    assert config["max_position_embeddings"] == CONTEXT
    assert config["rope_traditional"] is True
    assert config["rope_theta"] == 100_000.0
    assert config["tie_word_embeddings"] is True
    assert config["head_dim"] * config["num_attention_heads"] == config["hidden_size"]


def test_a_head_of_its_own_is_not_tied(folder: Path) -> None:
    found = converted(folder, weights=tensors() | {"output.weight": tensors()["token_embd.weight"]})
    assert "lm_head.weight" in found
    assert json.loads((folder / "config.json").read_text())["tie_word_embeddings"] is False


def test_the_model_stops_at_the_end_of_its_turn(folder: Path) -> None:
    converted(folder)
    end = Tokenizer.from_file(str(folder / "tokenizer.json")).token_to_id("<|im_end|>")
    assert json.loads((folder / "config.json").read_text())["eos_token_id"] == end
    assert json.loads((folder / "generation_config.json").read_text())["eos_token_id"] == [end]
    assert json.loads((folder / "tokenizer_config.json").read_text())["eos_token"] == "<|im_end|>"


def test_the_template_comes_along(folder: Path) -> None:
    converted(folder)
    assert json.loads((folder / "tokenizer_config.json").read_text())["chat_template"] == TEMPLATE


@pytest.mark.parametrize("text", ["the 1984 tests", "tab\tand\nline", "žluťoučký 🦙", "  spaces  "])
def test_the_tokenizer_gives_the_text_back(folder: Path, text: str) -> None:
    converted(folder)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_merges_join_and_digits_stay_apart(folder: Path) -> None:
    converted(folder)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert tokenizer.encode(" t he<|im_end|>").tokens == ["Ġt", "Ġ", "he", "<|im_end|>"]
    assert tokenizer.encode("12").tokens == ["1", "2"]


def test_the_folder_is_whole(folder: Path) -> None:
    converted(folder)
    assert fault(folder) is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"architecture": "qwen3"}, "qwen3"),
        ({"pre": "llama-bpe"}, "gpt2/llama-bpe"),
        ({"weights": {"rope_freqs.weight": np.ones(4, np.float32)}}, "rope_freqs"),
    ],
)
def test_what_is_not_understood_is_refused(folder: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(GgufError, match=words):
        converted(folder, **options)
    assert not list(folder.iterdir())


@pytest.mark.parametrize("keep", [0, 3, 40, 2000, -64])
def test_a_file_cut_short_is_refused(folder: Path, keep: int) -> None:
    whole = write_gguf(folder.parent / "tiny.gguf")
    whole.write_bytes(whole.read_bytes()[:keep])
    with pytest.raises(GgufError, match="not a whole GGUF file"):
        convert(whole, folder, np.float32)
