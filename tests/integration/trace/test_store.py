"""Traces on a real disk: private, bounded, whole after a kill, and never the request's trouble."""

import itertools
import json
import logging
import os
import resource
import signal
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from anyclaude.config.model import Traces
from anyclaude.trace.folder import TraceFolder
from anyclaude.trace.store import PRUNE_EVERY, TraceStore
from anyclaude.trace.waiting import MOST_WAITING

CANARIES = [f"canary-{number:02d}-{'xyzzy' * 3}" for number in range(20)]


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def store(home: Path, secrets: list[str] | None = None) -> TraceStore:
    return TraceStore(home, "lmstudio", Traces(), secrets or [])


def record(traces: TraceStore, number: int = 0, text: str = "hello") -> None:
    one = traces.begin(f"req_{number:08d}", "/v1/messages", {}, {"messages": [{"role": "user", "content": text}]})
    one.finish(200, "complete")


def files(home: Path) -> list[Path]:
    return sorted((home / "traces" / "lmstudio").iterdir())


@pytest.mark.usefixtures("open_umask")
def test_folders_and_files_are_the_users_alone(tmp_path: Path) -> None:
    traces = store(tmp_path / "home")
    record(traces)
    traces.close()
    (written,) = files(tmp_path / "home")
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    for folder in (written.parent, written.parent.parent, tmp_path / "home"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert written.name.startswith("trace-")
    assert json.loads(written.read_bytes())["id"] == "req_00000000"


@pytest.mark.parametrize("link", ["traces", "traces/lmstudio"])
def test_a_planted_link_is_refused(tmp_path: Path, link: str, caplog: pytest.LogCaptureFixture) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / link).parent.mkdir(exist_ok=True)
    (tmp_path / link).symlink_to(elsewhere)
    traces = store(tmp_path)
    record(traces, 1)
    record(traces, 2)
    traces.close()
    assert not [path for path in elsewhere.rglob("*") if path.is_file()]
    assert len(caplog.records) == 1
    assert "is a link" in caplog.text


def test_canaries_are_nowhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    c = iter(CANARIES)
    traces = store(tmp_path, CANARIES)
    headers = {"Authorization": f"Bearer {next(c)}", "x-api-key": next(c), "Cookie": next(c), "X-Other": next(c)}
    body: dict[str, Any] = {
        "system": [{"type": "text", "text": f"be {next(c)}"}],
        "tools": [{"name": next(c), "description": next(c), "input_schema": {"default": next(c)}}],
        "messages": [
            {"role": "user", "content": next(c)},
            {"role": "assistant", "content": [{"type": "tool_use", "input": {"command": f"curl -H '{next(c)}'"}}]},
            {"role": "user", "content": [{"type": "tool_result", "content": json.dumps({"key": next(c)})}]},
        ],
        "metadata": {"user_id": next(c), next(c): 1},
    }
    one = traces.begin("req_1", f"/v1/messages?key={next(c)}", headers, body)
    one.sent({"url": f"https://user:{next(c)}@host/", **body})
    one.sent(json.dumps({"a": next(c)}).encode())
    one.feed([{"type": "message_start", "message": {"id": next(c), "model": "m"}}])
    secret = next(c)
    one.feed([{"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}])
    for half in (secret[:9], secret[9:]):
        one.feed([{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": half}}])
    one.note("fallback", error=ValueError(next(c)), failed="x")
    one.finish(502, "error", f"the server said: {next(c)}")
    traces.close()
    assert next(c, None) is None
    (written,) = files(tmp_path)
    text = written.read_text() + written.name + caplog.text
    assert [canary for canary in CANARIES if canary in text or canary[:16] in text] == []


def test_a_disk_that_is_full_loses_traces_and_says_so_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        traces = store(tmp_path)
        for number in range(5):
            record(traces, number, "x" * 5000)
        traces.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert files(tmp_path) == []
    assert [each.levelno for each in caplog.records] == [logging.WARNING]
    assert "File too large" in caplog.text


def test_a_folder_that_was_removed_is_made_again(tmp_path: Path) -> None:
    folder = TraceFolder(tmp_path, "claude", 1_000_000, 1e6)
    folder.write("trace-1.json", b"{}")
    (tmp_path / "traces/claude/trace-1.json").unlink()
    (tmp_path / "traces/claude").rmdir()
    with pytest.raises(OSError, match="No such file"):
        folder.write("trace-2.json", b"{}")
    folder.close()
    folder.write("trace-3.json", b"{}")
    folder.close()
    assert (tmp_path / "traces/claude/trace-3.json").exists()


def test_a_full_queue_loses_traces_and_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TraceStore, "_write_all", lambda self: None)
    traces = store(tmp_path)
    for number in range(MOST_WAITING + 5):
        record(traces, number)
    assert len(caplog.records) == 1
    assert "too slow" in caplog.text
    traces.close()


def test_size_and_age_are_bounded_oldest_first(tmp_path: Path) -> None:
    folder = TraceFolder(tmp_path, "claude", 1000, 3600.0)
    folder.write("trace-0.json", b"x")
    where = tmp_path / "traces/claude"
    long_ago = time.time() - 7200
    (where / ".trace-x.part").touch()
    for name in ("trace-0.json", ".trace-x.part"):
        os.utime(where / name, (long_ago, long_ago))
    (where / "notes.txt").write_text("of the person")
    for number in range(1, 7):
        folder.write(f"trace-{number}.json", b"x" * 300)
    folder.close()
    assert sorted(path.name for path in where.iterdir()) == ["notes.txt", *(f"trace-{n}.json" for n in (4, 5, 6))]


def test_what_is_too_old_goes_although_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all modes: one that is not used any more has nobody else who looks after it."""
    for mode in ("lmstudio", "claude"):
        folder = tmp_path / "traces" / mode
        folder.mkdir(parents=True)
        for name, age in (("trace-old.json", 31), ("trace-new.json", 29)):
            (folder / name).write_text("{}")
            os.utime(folder / name, (time.time() - age * 86_400,) * 2)
    looks = threading.Semaphore(0)
    real = TraceStore._prune

    def counted(self: TraceStore) -> None:
        real(self)
        looks.release()

    monkeypatch.setattr(TraceStore, "_prune", counted)
    hours = itertools.count(0.0, PRUNE_EVERY)
    traces = TraceStore(tmp_path, "lmstudio", Traces(), [], now=lambda: next(hours))
    for _ in range(3):
        assert looks.acquire(timeout=30)
    traces.close()
    assert {path.name for path in tmp_path.rglob("*.json")} == {"trace-new.json"}
    assert not (tmp_path / "traces/openrouter").exists()
