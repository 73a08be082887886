"""Our own files when two programs change them at once, or cannot."""

import json
import threading
from pathlib import Path

import pytest

from anyclaude.config.own_files import locked, write_private
from anyclaude.config.trust import trust
from anyclaude.errors import SetupError


def test_two_at_once_lose_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    folders = [tmp_path / str(number) for number in range(12)]
    for folder in folders:
        folder.mkdir()
        (folder / ".anyclauderc.json").write_text("{}")
    threads = [threading.Thread(target=trust, args=(folder, home)) for folder in folders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(json.loads((home / ".anyclaude" / "trusted.json").read_text())) == len(folders)


def test_a_lock_that_stays_taken_is_said(tmp_path: Path) -> None:
    path = tmp_path / "own" / "file.json"
    with locked(path), pytest.raises(SetupError, match="is held by another anyclaude"), locked(path, deadline=0.0):
        pass
    with locked(path, deadline=0.0):
        pass


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "file.json").mkdir()
    with pytest.raises(SetupError, match="cannot be written"):
        write_private(tmp_path / "file.json", {})
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.json"]


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "own").write_text("")
    with pytest.raises(SetupError, match="cannot be written"), locked(tmp_path / "own" / "file.json"):
        pass
