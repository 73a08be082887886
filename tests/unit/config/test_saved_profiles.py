"""What was found out about models: saved, merged, and read as the lowest layer."""

import json
from pathlib import Path

import pytest

from anyclaude.config.load import resolve
from anyclaude.config.model import ProfileChange
from anyclaude.config.saved_profiles import save_profile
from anyclaude.errors import SetupError

NO_TOOLS = ProfileChange(tools=False)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    return home


def saved(home: Path, model: str = "m", change: ProfileChange = NO_TOOLS) -> Path:
    return save_profile(home / ".anyclaude", model, change)


def test_it_is_private_and_counts_at_the_next_launch(home: Path, tmp_path: Path) -> None:
    path = saved(home)
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    resolved = resolve({}, {}, tmp_path, home)
    assert resolved.settings.profiles == {"m": NO_TOOLS}
    assert resolved.origins["profiles"] == "~/.anyclaude/profiles.json"


def test_what_is_there_stays(home: Path) -> None:
    saved(home, "org/other.gguf", ProfileChange(context_window=4096))
    saved(home, "m", ProfileChange(response_format=False, tools=True))
    path = saved(home, "m", NO_TOOLS)
    assert json.loads(path.read_text()) == {
        "org/other.gguf": {"contextWindow": 4096},
        "m": {"responseFormat": False, "tools": False},
    }


def test_the_persons_own_word_counts_over_it_field_by_field(home: Path, tmp_path: Path) -> None:
    saved(home, "m", ProfileChange(tools=False, response_format=False))
    own = {"profiles": {"m": {"tools": True}, "other": {"images": False}}}
    (home / ".anyclauderc.json").write_text(json.dumps(own))
    resolved = resolve({}, {}, tmp_path, home)
    assert resolved.settings.profiles == {
        "m": ProfileChange(tools=True, response_format=False),
        "other": ProfileChange(images=False),
    }
    assert resolved.origins["profiles"] == "~/.anyclaude/profiles.json, ~/.anyclauderc.json: profiles"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "~/.anyclaude/profiles.json is not JSON: line 1"),
        ("[]", "~/.anyclaude/profiles.json must be a JSON object"),
        ('{"m": 1}', "~/.anyclaude/profiles.json: m must be a JSON object"),
        ('{"m": {"tools": "no"}}', "~/.anyclaude/profiles.json: m, tools must be true or false"),
        ('{"m": {"tols": true}}', "~/.anyclaude/profiles.json: m, tols is not a known key"),
    ],
)
def test_a_broken_file_is_one_sentence_that_names_it(content: str, said: str, home: Path, tmp_path: Path) -> None:
    saved(home).write_text(content)
    with pytest.raises(SetupError) as caught:
        resolve({}, {}, tmp_path, home)
    assert caught.value.message.startswith(said)
    assert caught.value.message.endswith("; correct that file or remove it")


def test_a_file_of_another_kind_is_not_written_over(home: Path) -> None:
    path = saved(home)
    path.write_text('{"m": 1}')
    with pytest.raises(SetupError, match="is no list of models"):
        saved(home)
    assert path.read_text() == '{"m": 1}'
