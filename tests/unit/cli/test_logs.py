"""The log file: private, bounded in number, harmless when it cannot be."""

import logging
import stat
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from anyclaude.cli.logs import KEEP, keep_quiet, open_log


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, hooks = root.handlers[:], root.level, (threading.excepthook, sys.unraisablehook)
    yield
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:], root.level = handlers, level
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


def test_one_message_is_one_line_without_control_characters(tmp_path: Path) -> None:
    path = open_log(tmp_path)
    logging.getLogger("x").warning("model %s", "a\nb\x1b[2J\u2028c")
    assert written(path).endswith("WARNING x: model a\\nb\\u001b[2J\\u2028c\n")


def test_a_traceback_keeps_its_lines(tmp_path: Path) -> None:
    path = open_log(tmp_path)
    try:
        raise ValueError("why")
    except ValueError:
        logging.getLogger("x").exception("failed")
    assert written(path).endswith("ValueError: why\n")
    assert "failed\nTraceback" in written(path)


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
