"""Tiny models, built once a test run."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import tiny_model


@pytest.fixture(scope="session")
def models_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tiny-models")


def _built(folder: Path, build: Callable[[Path], object]) -> Path:
    build(folder)
    assert (folder / "config.json").exists()
    return folder


@pytest.fixture(scope="session")
def attention_model(models_folder: Path) -> Path:
    return _built(models_folder / "attention", tiny_model.build)


@pytest.fixture(scope="session")
def hybrid_model(models_folder: Path) -> Path:
    """Recurrent layers, and a template that opens the thinking in its generation tail."""
    return _built(models_folder / "hybrid", lambda folder: tiny_model.build(folder, "qwen3_next", open_thinking=True))


@pytest.fixture(scope="session")
def window_model(models_folder: Path) -> Path:
    return _built(models_folder / "window", lambda folder: tiny_model.build(folder, "gemma3_text"))


@pytest.fixture(scope="session")
def biased_model(models_folder: Path) -> Path:
    return _built(models_folder / "biased", lambda folder: tiny_model.build(folder, "qwen2"))


@pytest.fixture(scope="session")
def mixture_model(models_folder: Path) -> Path:
    """Experts, of which each token uses a few."""
    return _built(models_folder / "mixture", lambda folder: tiny_model.build(folder, "qwen3_moe"))


@pytest.fixture(scope="session")
def wide_model(models_folder: Path) -> Path:
    """Plain attention, with heads wide enough for a quantised state."""
    return _built(models_folder / "wide", lambda folder: tiny_model.build(folder, head_dim=32))


@pytest.fixture(scope="session")
def wide_hybrid_model(models_folder: Path) -> Path:
    return _built(models_folder / "wide-hybrid", lambda folder: tiny_model.build(folder, "qwen3_next", head_dim=32))


@pytest.fixture(scope="session")
def small_context_model(models_folder: Path) -> Path:
    return _built(models_folder / "small-context", lambda folder: tiny_model.build(folder, context=100))


@pytest.fixture(scope="session")
def trained_model(models_folder: Path) -> Path:
    """Says what tiny_model.ANSWERS say. Takes some ten seconds of computing, once."""
    return _built(models_folder / "trained", tiny_model.build_trained)
