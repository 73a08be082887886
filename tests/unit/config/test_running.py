"""Running proxies as they are found by others of one person's programs: private, and gone with their process."""

import fcntl
import json
import logging
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from anyclaude.config.running import Running, listed, running

PROXY = Running(os.getpid(), "http://127.0.0.1:4711", 5.0, "mlx-cluster", "the-token-of-a-launch")
HOLDS = """
import os, sys, pathlib
from anyclaude.config.running import Running, listed
with listed(pathlib.Path(sys.argv[1]), Running(os.getpid(), "http://127.0.0.1:1", 1.0, "claude", "t")):
    print("listed", flush=True)
    sys.stdin.read()
"""


def no_locks(*_: object) -> None:
    raise OSError("no locks here")


def files(home: Path) -> list[Path]:
    return sorted((home / "proxies").iterdir())


def left_over(home: Path, **changes: object) -> Path:
    """The file of a proxy that is no more."""
    with listed(home, PROXY):
        path = files(home)[0]
        content = path.read_text()
    path.write_text(json.dumps({**json.loads(content), **changes}))
    return path


def test_it_is_there_while_the_proxy_is(tmp_path: Path) -> None:
    with listed(tmp_path, PROXY):
        assert running(tmp_path) == [PROXY]
        assert running(tmp_path) == [PROXY]  # looking removes nothing
        assert [path.name for path in files(tmp_path)] == [f"{os.getpid()}-4711.json"]
        assert files(tmp_path)[0].stat().st_mode & 0o777 == 0o600
        assert (tmp_path / "proxies").stat().st_mode & 0o777 == 0o700
    assert running(tmp_path) == []
    assert files(tmp_path) == []


def test_it_goes_also_when_the_proxy_fails(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), listed(tmp_path, PROXY):
        raise RuntimeError
    assert files(tmp_path) == []


def test_a_killed_proxy_is_not_told_of_and_its_file_goes(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    assert child.stdin is not None
    with child.stdout, child.stdin:
        assert child.stdout.readline() == b"listed\n"
        assert [proxy.pid for proxy in running(tmp_path)] == [child.pid]
        child.send_signal(signal.SIGKILL)
        child.wait(30)
        assert len(files(tmp_path)) == 1
        assert running(tmp_path) == []
        assert files(tmp_path) == []


def test_a_process_id_that_is_in_use_again_is_not_the_proxy(tmp_path: Path) -> None:
    left_over(tmp_path, pid=os.getpid())
    assert running(tmp_path) == []
    assert files(tmp_path) == []


def test_without_locks_the_process_id_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", no_locks)
    path = left_over(tmp_path, pid=os.getpid())
    assert [proxy.pid for proxy in running(tmp_path)] == [os.getpid()]
    path.unlink()
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait(30)
    left_over(tmp_path, pid=ended.pid)
    assert running(tmp_path) == []
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "http://example.com:80"},
        {"url": "http://127.0.0.1:80@example.com"},
        {"pid": -1},
        {"pid": "1"},
        {"token": None},
        {"started": "now"},
        {"mode": 1},
    ],
)
def test_what_no_proxy_wrote_is_not_told_of(
    changes: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = left_over(tmp_path, **changes)
    with path.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert running(tmp_path) == []


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b"null"])
def test_rubbish_is_removed(content: bytes, tmp_path: Path) -> None:
    left_over(tmp_path).write_bytes(content)
    assert running(tmp_path) == []
    assert files(tmp_path) == []


@pytest.mark.parametrize("locks", [True, False])
def test_those_of_another_machine_stay(locks: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not locks:
        monkeypatch.setattr(fcntl, "flock", no_locks)
    left_over(tmp_path, host="another-machine")
    assert running(tmp_path) == []
    assert len(files(tmp_path)) == 1


def test_a_machine_may_get_another_name_while_the_proxy_runs(tmp_path: Path) -> None:
    renamed = replace(PROXY, host="as-it-was-called")
    with listed(tmp_path, renamed):
        assert running(tmp_path) == [renamed]


def test_a_held_file_of_a_process_that_is_not_seen_here_stays(tmp_path: Path) -> None:
    """It runs in another container."""
    with listed(tmp_path, replace(PROXY, pid=2**31 - 1)):
        assert running(tmp_path) == []
        assert len(files(tmp_path)) == 1


def test_a_link_leads_nowhere(tmp_path: Path) -> None:
    with listed(tmp_path, PROXY):
        (tmp_path / "proxies" / "1-1.json").symlink_to(files(tmp_path)[0])
        assert running(tmp_path) == [PROXY]


def test_nobody_has_run_yet(tmp_path: Path) -> None:
    assert running(tmp_path) == []
    assert running(tmp_path / "nowhere") == []


def test_without_a_place_for_it_the_proxy_runs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "proxies").write_text("in the way")
    with caplog.at_level(logging.WARNING), listed(tmp_path, PROXY):
        assert running(tmp_path) == []
    assert len(caplog.records) == 1
    assert PROXY.token not in caplog.text
    assert PROXY.token not in repr(PROXY)
