"""A folder that mlx-lm would choke on is told apart from a whole one, and the fault is named."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from mlx_worker.generation import Sampling
from mlx_worker.model_folder import fault, name_of, sampling_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files of weights and their index, as the hub has them."""
    (tmp_path / "config.json").write_text("{}")
    names = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    for tensor, name in names.items():
        save_file({tensor: np.ones(8, np.float32)}, tmp_path / name)
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
    return tmp_path


def test_a_whole_folder_has_no_fault(folder: Path) -> None:
    assert fault(folder) is None


def test_one_file_needs_no_index(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    save_file({"a": np.ones(8, np.float32)}, tmp_path / "model.safetensors", metadata={"format": "mlx"})
    assert fault(tmp_path) is None


def test_a_missing_configuration_is_named(folder: Path) -> None:
    (folder / "config.json").unlink()
    assert fault(folder) == "has no config.json"


def test_pickled_weights_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    assert "no model*.safetensors" in (fault(tmp_path) or "")


def test_a_missing_part_is_named(folder: Path) -> None:
    (folder / "model-00002-of-00002.safetensors").unlink()
    assert fault(folder) == "is not whole (model-00002-of-00002.safetensors)"


@pytest.mark.parametrize("cut", [1, 16])
def test_a_part_cut_short_is_named(folder: Path, cut: int) -> None:
    path = folder / "model-00001-of-00002.safetensors"
    path.write_bytes(path.read_bytes()[:-cut])
    assert fault(folder) == "is not whole (model-00001-of-00002.safetensors)"


@pytest.mark.parametrize(
    "content", [b"", b"1234", b"\xff" * 64, b"\x02\0\0\0\0\0\0\0[]", b'\x08\0\0\0\0\0\0\0{"a": 3}']
)
def test_no_safetensors_at_all_is_said(folder: Path, content: bytes) -> None:
    (folder / "model-00001-of-00002.safetensors").write_bytes(content)
    assert "cannot be read" in (fault(folder) or "")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"weight_map": 3}'])
def test_a_broken_index_is_said(folder: Path, content: str) -> None:
    (folder / "model.safetensors.index.json").write_text(content)
    assert "cannot be read" in (fault(folder) or "")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/m/hub/models--mlx-community--Qwen3-4B-4bit/snapshots/0123abc", "mlx-community/Qwen3-4B-4bit"),
        ("/m/SmolLM2-135M-Instruct-f32", "SmolLM2-135M-Instruct-f32"),
        ("/m/models--a--b/other/x", "x"),
    ],
)
def test_the_name_is_what_people_call_it(path: str, name: str) -> None:
    assert name_of(Path(path)) == name


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ('{"temperature": 0.2, "top_p": 0.9, "eos_token_id": [2]}', Sampling(temperature=0.2, top_p=0.9)),
        ('{"temperature": 0.6, "top_k": 20, "do_sample": true}', Sampling(temperature=0.6, top_k=20)),
        ('{"do_sample": false, "temperature": 0.7}', Sampling(temperature=0.0)),
        ('{"temperature": "hot", "top_p": null, "top_k": true, "min_p": -1}', Sampling()),
        ('{"repetition_penalty": 2, "top_k": 50.0}', Sampling(repetition_penalty=2.0, top_k=50)),
        ('{"temperature": NaN, "top_k": 1e999}', Sampling()),
        ("[]", Sampling()),
        ("{oops", Sampling()),
        (None, Sampling()),
    ],
)
def test_what_the_makers_recommend_is_the_default(tmp_path: Path, said: str | None, meant: Sampling) -> None:
    if said is not None:
        (tmp_path / "generation_config.json").write_text(said)
    assert sampling_of(tmp_path) == meant
