"""The settings file of one launch."""

import json
import stat
from pathlib import Path

import pytest

from anyclaude.launch.steering import steered


def test_the_file_is_ours_alone_and_goes_again() -> None:
    with steered(("-p", "Hi"), {"A": "secret"}) as (flag, name, *rest):
        path = Path(name)
        assert (flag, rest) == ("--settings", ["-p", "Hi"])
        assert json.loads(path.read_text()) == {"env": {"A": "secret"}}
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.exists()


@pytest.mark.parametrize("given", [("--settings", "mine.json"), ("--settings=mine.json", "Hi"), ("mcp", "list")])
def test_what_is_left_as_it_is(given: tuple[str, ...]) -> None:
    with steered(given, {"A": "secret"}) as arguments:
        assert arguments == given
