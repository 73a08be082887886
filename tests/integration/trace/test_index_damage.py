"""What may become of the index: damage, locks, links, another viewer. The traces are found all the same."""

import json
import os
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from anyclaude.trace import index_file
from anyclaude.trace.index import TraceIndex
from anyclaude.trace.index_file import NAME
from tests.support.trace_files import PATIENT, ids, looked_at, write_trace


@pytest.mark.parametrize("count", [1, 20])
def test_an_index_that_is_lost_is_made_anew(tmp_path: Path, count: int) -> None:
    for number in range(count):
        write_trace(tmp_path, number)
    for _ in range(2):
        with TraceIndex(tmp_path) as index:
            assert [index.refresh(PATIENT), index.count(), index.why] == [0, count, ""]
        (tmp_path / "traces" / NAME).unlink()


def of_another_version(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA user_version = 9999")
    other.close()


def of_other_tables(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE files (something)")
        other.execute(f"PRAGMA user_version = {index_file.VERSION}")
    other.close()


def cut_in_the_middle(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


DAMAGES: list[Callable[[Path], object]] = [
    of_another_version,
    of_other_tables,
    cut_in_the_middle,
    lambda path: path.write_bytes(b""),
    lambda path: path.write_bytes(b"no database at all, but longer than a header is " * 100),
    lambda path: path.write_bytes(path.read_bytes()[:4096] + b"\xa5" * (path.stat().st_size - 4096)),
]


@pytest.mark.parametrize("damage", DAMAGES, ids=range(len(DAMAGES)))
@pytest.mark.parametrize("while_open", [False, True])
def test_a_damaged_index_is_made_anew(tmp_path: Path, damage: Callable[[Path], object], while_open: bool) -> None:
    for number in range(30):
        write_trace(tmp_path, number, f"said {number}")
    with TraceIndex(tmp_path) as index:
        index.refresh(PATIENT)
        if while_open:
            damage(tmp_path / "traces" / NAME)
            looked_at(index)
    if not while_open:
        damage(tmp_path / "traces" / NAME)
    with TraceIndex(tmp_path) as index:
        looked_at(index)
        write_trace(tmp_path, 31, "said 31")
        while index.refresh(PATIENT):
            pass
        assert (index.why, index.count(), ids(index, "31")) == ("", 31, ["1"])


@pytest.mark.parametrize("gone", ["traces/index.sqlite3", "traces"])
def test_the_index_may_be_removed_while_it_is_open(tmp_path: Path, index: TraceIndex, gone: str) -> None:
    write_trace(tmp_path, 1)
    index.refresh(PATIENT)
    os.rename(tmp_path / gone, tmp_path / "away")
    write_trace(tmp_path, 2, "new")
    while index.refresh(PATIENT):
        pass
    assert ids(index, "new") == ["2"]
    with TraceIndex(tmp_path) as another:
        assert [another.refresh(PATIENT), ids(another, "new")] == [0, ["2"]]


def test_where_there_can_be_no_index_it_is_in_memory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_trace(tmp_path, 1)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    (tmp_path / "traces" / NAME).symlink_to(elsewhere)
    with TraceIndex(tmp_path) as index:
        assert [index.refresh(PATIENT), index.count()] == [0, 1]
        assert index.why.endswith("it is a link, no file, or another user's")
    assert elsewhere.read_text() == "mine"
    assert len(caplog.records) == 1


def test_a_folder_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    write_trace(tmp_path / "elsewhere", 1)
    (tmp_path / "traces").symlink_to(tmp_path / "elsewhere" / "traces")
    with TraceIndex(tmp_path) as index:
        assert [index.refresh(PATIENT), index.count()] == [0, 0]
        assert "is a link" in index.why
    assert not (tmp_path / "elsewhere" / "traces" / NAME).exists()


def test_links_and_pipes_are_no_traces(tmp_path: Path, index: TraceIndex) -> None:
    folder = write_trace(tmp_path, 1).parent
    secret = tmp_path / "secret"
    secret.write_text(json.dumps({"request": {}, "id": "stolen"}))
    (folder / "trace-link.json").symlink_to(secret)
    os.mkfifo(folder / "trace-pipe.json")
    (folder / "trace-folder.json").mkdir()
    (tmp_path / "traces" / "claude").symlink_to(folder)
    assert [index.refresh(PATIENT), index.count()] == [0, 1]


def test_the_index_is_the_users_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_trace(tmp_path, 1)
        with TraceIndex(tmp_path) as index:
            index.refresh(PATIENT)
        path = tmp_path / "traces" / NAME
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        path.chmod(0o644)
        TraceIndex(tmp_path).close()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        os.umask(before)


def test_while_another_program_writes_what_is_known_can_be_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_file, "WAIT", 0.05)
    write_trace(tmp_path, 1, "known")
    with TraceIndex(tmp_path) as index:
        index.refresh(PATIENT)
        other = sqlite3.connect(tmp_path / "traces" / NAME, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        write_trace(tmp_path, 2, "new")
        assert [index.refresh(PATIENT), ids(index, "known"), index.why] == [1, ["1"], ""]
        other.execute("ROLLBACK")
        assert [index.refresh(PATIENT), ids(index, "new"), index.why] == [0, ["2"], ""]
        other.execute("BEGIN EXCLUSIVE")
        assert ids(index, "known") == []
        assert "locked" in index.why
        assert [index.refresh(PATIENT), ids(index, "known")] == [0, ["1"]]
        other.close()


def test_two_viewers_share_it(tmp_path: Path, index: TraceIndex) -> None:
    with TraceIndex(tmp_path) as another:
        for number in range(4):
            write_trace(tmp_path, number)
        assert index.refresh(PATIENT) == another.refresh(PATIENT) == 0
        write_trace(tmp_path, 2, "changed").with_name("x")
        assert [index.refresh(PATIENT), ids(another, "changed"), another.refresh(PATIENT)] == [0, ["2"], 0]
        assert another.count() == 4
