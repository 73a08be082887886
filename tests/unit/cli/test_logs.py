"""The log file: private, bounded in number, harmless when it cannot be."""

import json
import logging
import stat
import sys
import threading
import warnings
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from anyclaude.cli.logs import KEEP, LONGEST, keep_quiet, open_log
from anyclaude.config.debug import BASIC, TRACE


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, hooks = root.handlers[:], root.level, (threading.excepthook, sys.unraisablehook)
    yield
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:], root.level = handlers, level
    logging.getLogger("anyclaude").setLevel(logging.NOTSET)
    threading.excepthook, sys.unraisablehook = hooks
    logging.captureWarnings(False)
    logging.raiseExceptions = True


def written(path: Path) -> str:
    for handler in logging.getLogger().handlers:
        handler.flush()
    return path.read_text()


def test_folder_and_file_are_the_users_alone(tmp_path: Path) -> None:
    path = open_log(tmp_path / "home")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.parent.parent.stat().st_mode) == 0o700


def test_an_open_folder_is_closed_to_others(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir(mode=0o755)
    assert stat.S_IMODE(open_log(tmp_path).parent.stat().st_mode) == 0o700


def test_a_planted_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "logs").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="link"):
        open_log(tmp_path)
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_home_that_is_a_file_is_an_oserror(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(OSError, match="home"):
        open_log(tmp_path / "home")


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written(path).splitlines()]


def test_one_message_is_one_line_without_control_characters(tmp_path: Path) -> None:
    path = open_log(tmp_path)
    logging.getLogger("x").warning("model %s", "a\nb\x1b[2J\u2028c\x85\r")
    text = written(path)
    assert text.isascii()
    assert text.count("\n") == 1
    assert all(character.isprintable() for character in text[:-1])
    (line,) = lines(path)
    assert (line["level"], line["logger"], line["message"]) == ("WARNING", "x", "model a\nb\x1b[2J\u2028c\x85\r")
    assert datetime.fromisoformat(line["time"]).tzinfo is not None


def test_a_traceback_and_extra_fields(tmp_path: Path) -> None:
    path = open_log(tmp_path)
    try:
        raise ValueError("why")
    except ValueError:
        logging.getLogger("x").exception("failed", extra={"status": 502, "where": tmp_path, "odd": {1: {2}}})
    (line,) = lines(path)
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("ValueError: why")
    assert (line["status"], line["where"]) == (502, str(tmp_path))


def test_a_huge_message_is_cut(tmp_path: Path) -> None:
    path = open_log(tmp_path)
    logging.getLogger("x").warning("m" * 1_000_000)
    assert len(written(path)) < LONGEST + 500
    assert "(1000000 characters)" in written(path)


def test_secrets_are_in_no_part_of_a_line(tmp_path: Path) -> None:
    secrets = [f"hidden-{number}-xyzzy" for number in range(5)]
    path = open_log(tmp_path, secrets)
    try:
        raise ValueError(secrets[0])
    except ValueError:
        logging.getLogger("x").exception(
            "to %s", secrets[1], extra={"url": f"https://u:{secrets[2]}@h", "api_key": "k3y"}
        )
    logging.getLogger(secrets[3]).warning("Bearer abcdefgh12345678", extra={secrets[4]: 1})
    assert [secret for secret in [*secrets, "xyzzy", "k3y", "abcdefgh1234"] if secret in written(path)] == []


@pytest.mark.parametrize(("debug", "shown"), [(0, 1), (1, 2), (2, 3), (3, 4)])
def test_debug_levels(tmp_path: Path, debug: int, shown: int) -> None:
    path = open_log(tmp_path, debug=debug)
    for level in (logging.INFO, BASIC, logging.DEBUG, TRACE):
        logging.getLogger("anyclaude.x").log(level, "at %d", level)
        logging.getLogger("other").log(level - 1, "a library")
    found = [line["level"] for line in lines(path)]
    assert found == ["INFO", "BASIC", "DEBUG", "TRACE"][:shown]


def test_a_full_file_makes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anyclaude.cli.logs.LARGEST", 2000)
    path = open_log(tmp_path)
    for _ in range(100):
        logging.getLogger("x").warning("m" * 100)
    found = sorted(path.parent.iterdir())
    assert [each.name for each in found] == [path.name, f"{path.name}.1", f"{path.name}.2"]
    assert {stat.S_IMODE(each.stat().st_mode) for each in found} == {0o600}
    assert all(each.stat().st_size <= 2000 for each in found)


def test_warnings_and_threads_do_not_reach_the_screen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep_quiet()
    path = open_log(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("a warning", stacklevel=1)
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
    assert "a warning" in written(path)
    assert "ZeroDivisionError" in written(path)
    assert capsys.readouterr().err == ""


def test_old_files_go(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    for number in range(KEEP + 5):
        (folder / f"20000101-0000{number:02d}-1.log").touch()
    newest = open_log(tmp_path)
    left = sorted(folder.iterdir())
    assert len(left) == KEEP
    assert left[-1] == newest
    assert left[0].name == "20000101-000006-1.log"
