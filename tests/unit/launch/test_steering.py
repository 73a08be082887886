"""The settings file of one launch."""

import json
import stat
import tempfile
from pathlib import Path

import pytest

from anyclaude.errors import SetupError
from anyclaude.launch.steering import steered


def test_the_file_is_ours_alone_and_goes_again() -> None:
    with steered(("-p", "Hi"), {"env": {"A": "secret"}}) as (flag, name, *rest):
        path = Path(name)
        assert (flag, rest) == ("--settings", ["-p", "Hi"])
        assert json.loads(path.read_text()) == {"env": {"A": "secret"}}
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.exists()


@pytest.mark.parametrize("given", [("--settings", "mine.json"), ("--settings=mine.json", "Hi"), ("mcp", "list")])
def test_what_is_left_as_it_is(given: tuple[str, ...]) -> None:
    with steered(given, {"env": {"A": "secret"}}) as arguments:
        assert arguments == given


def test_without_settings_there_is_no_file() -> None:
    with steered(("-p", "Hi"), {}) as arguments:
        assert arguments == ("-p", "Hi")


def test_without_a_place_for_it_only_what_is_needed_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with steered(("Hi",), {"statusLine": {}}, needed=False) as arguments:
        assert arguments == ("Hi",)
    with pytest.raises(SetupError, match="set TMPDIR"), steered(("Hi",), {"env": {}}):
        pass
