"""Tiny models, built once a test run, whoever of several test processes comes first."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import tiny_model


@pytest.fixture(scope="session")
def models_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared by all processes of one run under pytest-xdist."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = shared / "tiny-models"
    folder.mkdir(exist_ok=True)
    return folder


def _once(folder: Path, build: Callable[[Path], object]) -> Path:
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (done := folder / "config.json").exists():
            build(folder)
        assert done.exists()
    return folder


@pytest.fixture(scope="session")
def attention_model(models_folder: Path) -> Path:
    return _once(models_folder / "attention", tiny_model.build)


@pytest.fixture(scope="session")
def hybrid_model(models_folder: Path) -> Path:
    """Recurrent layers, and a template that opens the thinking in its generation tail."""
    return _once(models_folder / "hybrid", lambda folder: tiny_model.build(folder, "qwen3_next", open_thinking=True))


@pytest.fixture(scope="session")
def window_model(models_folder: Path) -> Path:
    return _once(models_folder / "window", lambda folder: tiny_model.build(folder, "gemma3_text"))


@pytest.fixture(scope="session")
def small_context_model(models_folder: Path) -> Path:
    return _once(models_folder / "small-context", lambda folder: tiny_model.build(folder, context=100))


@pytest.fixture(scope="session")
def trained_model(models_folder: Path) -> Path:
    """Says what tiny_model.ANSWERS say. Takes some ten seconds of computing, once."""
    return _once(models_folder / "trained", tiny_model.build_trained)
