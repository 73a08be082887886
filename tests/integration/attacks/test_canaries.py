"""Secrets stay where they belong: 23 of them planted, and searched for in everything that is said or written."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.attacks.canaries import CANARIES, IN_ENVIRONMENT, LAUNCH, everything_said, leaks


@pytest.fixture
def careless() -> Iterator[None]:
    """Everybody may read what is made, unless it is said otherwise."""
    before = os.umask(0)
    yield
    os.umask(before)


async def test_no_secret_is_anywhere(tmp_path: Path, careless: None) -> None:
    said = await everything_said(tmp_path)
    assert leaks(said) == []
    assert open_to_others(tmp_path / "home/.anyclaude") == []
    assert len(CANARIES) >= 20
    assert len(said) >= 25
    logs = [text for name, text in said.items() if name.startswith("the file .anyclaude/logs/")]
    assert any("listening on" in text for text in logs)
    assert any("trace-" in name and "[redacted]" in text for name, text in said.items())
    assert "anyclaude_requests_total" in said["GET /metrics"]
    assert "redacted" not in said["the child's environment"]


def open_to_others(folder: Path) -> list[str]:
    """What others may read or write of all that was made there; `mlx-cluster.json` was planted."""
    made = (path for path in folder.rglob("*") if path.name != "mlx-cluster.json")
    return [str(path) for path in made if path.stat().st_mode & 0o077]


def test_a_leak_would_be_found() -> None:
    said = {
        "an output": f"x{IN_ENVIRONMENT['BRAVE_API_KEY'].secret[:20]}",
        "the proxy's standard output": LAUNCH.secret,
    }
    assert leaks(said) == ["BRAVE_API_KEY in an output"]
