"""Which model is chosen, and what is said when it cannot be had. The hub is a function here; nothing is fetched."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError, RepositoryNotFoundError
from safetensors.numpy import save_file

from mlx_worker import models, smollm
from mlx_worker.models import HUB_MODELS, ModelUnavailable, choices, resolve

GIB = 1 << 30
# Bytes of float16 cache a token: 2 x layers that attend x key-value heads x head size x 2 (the models' configurations).
CACHE_BYTES = {
    "Qwen3-Coder-Next": 2 * 12 * 2 * 256 * 2,
    "Qwen3-Coder-30B": 2 * 48 * 4 * 128 * 2,
    "Qwen3-14B": 2 * 40 * 8 * 128 * 2,
    "Qwen3-4B": 2 * 36 * 8 * 128 * 2,
}

Hub = Callable[..., str]


def model_folder(path: Path) -> Path:
    path.mkdir(parents=True)
    (path / "config.json").write_text("{}")
    save_file({"a": np.ones(4, np.float32)}, path / "model.safetensors")
    return path


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What SmolLM2's own module would give."""
    folder = tmp_path / "smollm"
    monkeypatch.setattr(smollm, "prepared", lambda progress: folder)
    return folder


@pytest.fixture
def mac(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "apple_silicon", lambda: True)
    monkeypatch.setattr(models, "total_memory", lambda: 64 * GIB)
    monkeypatch.setattr(models, "_free_bytes", lambda folder: 10**12)


def hub(monkeypatch: pytest.MonkeyPatch, *, stored: Path | None = None, fetched: Path | Exception) -> list[str]:
    """Stand in for the hub: what lies on the disk, and what a fetch gives. Returns the names that were fetched."""
    asked: list[str] = []

    def snapshot_download(name: str, *, local_files_only: bool = False, **_: Any) -> str:
        if local_files_only:
            if stored is None:
                raise LocalEntryNotFoundError("not here")
            return str(stored)
        asked.append(name)
        if isinstance(fetched, Exception):
            raise fetched
        return str(fetched)

    monkeypatch.setattr(models, "snapshot_download", snapshot_download)
    return asked


def unknown_repository() -> RepositoryNotFoundError:
    response: Any = httpx.Response(404, request=httpx.Request("GET", "https://hub/x"))  # any HTTP library's will do
    return RepositoryNotFoundError("404", response=response)


class TestTable:
    @pytest.mark.parametrize(
        ("memory", "best"),
        [
            (8, "Qwen3-4B-Instruct-2507-4bit"),
            (16, "Qwen3-4B-Instruct-2507-4bit"),
            (24, "Qwen3-14B-4bit"),
            (32, "Qwen3-Coder-30B-A3B-Instruct-4bit"),
            (48, "Qwen3-Coder-30B-A3B-Instruct-4bit"),
            (64, "Qwen3-Coder-30B-A3B-Instruct-8bit"),
            (128, "Qwen3-Coder-Next-4bit"),
        ],
    )
    def test_the_memory_decides(self, memory: int, best: str) -> None:
        assert next(choices(memory * GIB)).id == f"mlx-community/{best}"

    def test_too_little_memory_leaves_no_choice(self) -> None:
        assert list(choices(4 * GIB)) == []

    @pytest.mark.parametrize("model", HUB_MODELS, ids=lambda model: model.id)
    def test_weights_and_context_fit_beside_macos(self, model: models.HubModel) -> None:
        for_gpu = model.memory * GIB * (3 / 4 if model.memory > 36 else 2 / 3)
        per_token = next(size for name, size in CACHE_BYTES.items() if name in model.id)
        assert model.size * 1e9 + model.context * per_token <= 0.9 * for_gpu

    def test_a_smaller_model_never_asks_for_more_memory(self) -> None:
        assert [m.memory for m in HUB_MODELS] == sorted((m.memory for m in HUB_MODELS), reverse=True)


class TestResolve:
    def test_a_model_folder_is_taken_as_it_is(self, tmp_path: Path) -> None:
        folder = model_folder(tmp_path / "mine")
        assert resolve(str(folder)) == folder

    def test_a_folder_without_weights_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "config.json").write_text("{}")
        with pytest.raises(ModelUnavailable, match=r"has no model\*\.safetensors"):
            resolve(str(tmp_path))

    def test_a_file_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "m.gguf").touch()
        with pytest.raises(ModelUnavailable, match="is a file"):
            resolve(str(tmp_path / "m.gguf"))

    @pytest.mark.parametrize("path", ["/no/such/folder", "./a/b/c", "plain", "a/b/../c", "../x"])
    def test_a_path_that_is_not_there_never_goes_to_the_hub(
        self, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        asked = hub(monkeypatch, fetched=AssertionError("asked the hub"))
        with pytest.raises(ModelUnavailable, match="there is no model folder"):
            resolve(path)
        assert asked == []

    def test_a_name_is_fetched_with_progress(
        self, tmp_path: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = model_folder(tmp_path / "m")
        hub(monkeypatch, fetched=folder)
        assert resolve("org/name-4bit", lines.append) == folder
        assert lines == ["model: fetching org/name-4bit from the Hugging Face hub"]

    def test_a_name_that_is_on_the_disk_is_not_fetched(
        self, tmp_path: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = model_folder(tmp_path / "m")
        asked = hub(monkeypatch, stored=folder, fetched=AssertionError("fetched again"))
        assert resolve("org/name", lines.append) == folder
        assert (asked, lines) == ([], [])

    def test_half_of_a_model_on_the_disk_is_fetched_again(
        self, tmp_path: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        half = model_folder(tmp_path / "half")
        (half / "model.safetensors").write_bytes(b"")
        whole = model_folder(tmp_path / "whole")
        hub(monkeypatch, stored=half, fetched=whole)
        assert resolve("org/name", lines.append) == whole

    @pytest.mark.parametrize(
        ("failure", "words"),
        [
            (LocalEntryNotFoundError("a paragraph"), "no hub is reached"),
            (OSError(28, "No space left on device"), "No space left on device"),
            (RuntimeError("https://user:secret@host"), "RuntimeError"),
            (unknown_repository(), "offers no model org/name"),
        ],
    )
    def test_a_failure_is_one_sentence_with_the_next_step(
        self, lines: list[str], monkeypatch: pytest.MonkeyPatch, failure: Exception, words: str
    ) -> None:
        hub(monkeypatch, fetched=failure)
        with pytest.raises(ModelUnavailable) as told:
            resolve("org/name", lines.append)
        assert words in str(told.value)
        assert ": check the " in str(told.value)
        assert "secret" not in str(told.value)
        assert "\n" not in str(told.value)

    def test_a_model_of_another_format_is_refused(
        self, tmp_path: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hub(monkeypatch, fetched=tmp_path)
        with pytest.raises(ModelUnavailable, match="made for MLX"):
            resolve("org/name", lines.append)


class TestDefault:
    def test_off_a_mac_the_packaged_model_is_it(self, packaged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(models, "apple_silicon", lambda: False)
        asked = hub(monkeypatch, fetched=AssertionError("asked the hub"))
        assert resolve(None) == packaged
        assert asked == []

    @pytest.mark.usefixtures("mac")
    def test_a_mac_fetches_what_its_memory_holds(
        self, tmp_path: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = hub(monkeypatch, fetched=model_folder(tmp_path / "m"))
        assert resolve(None, lines.append) == tmp_path / "m"
        assert asked == ["mlx-community/Qwen3-Coder-30B-A3B-Instruct-8bit"]
        assert "(32.5 GB, about 131,072 tokens of context on this machine)" in lines[0]

    @pytest.mark.usefixtures("mac")
    def test_a_small_disk_gets_a_smaller_model(
        self, tmp_path: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(models, "_free_bytes", lambda folder: 20 * 10**9)
        asked = hub(monkeypatch, fetched=model_folder(tmp_path / "m"))
        resolve(None, lines.append)
        assert asked == ["mlx-community/Qwen3-Coder-30B-A3B-Instruct-4bit"]
        assert "the disk has no room" in lines[0]

    @pytest.mark.usefixtures("mac")
    def test_without_a_hub_the_packaged_model_steps_in(
        self, packaged: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = hub(monkeypatch, fetched=LocalEntryNotFoundError("offline"))
        assert resolve(None, lines.append) == packaged
        assert len(asked) == 1
        assert "falling back to SmolLM2" in lines[-1]
