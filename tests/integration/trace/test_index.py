"""The index on a real disk: it follows the files, and what was said is found in it."""

import hashlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from anyclaude.config.model import Traces
from anyclaude.trace import indexed
from anyclaude.trace.files import record_in
from anyclaude.trace.folder import TraceFolder
from anyclaude.trace.index import TraceIndex
from anyclaude.trace.index_file import NAME
from anyclaude.trace.store import TraceStore
from tests.support.trace_files import PATIENT, ids, looked_at, write_trace

BEGAN = 1_800_000_000


def test_what_the_store_writes_is_found(tmp_path: Path, index: TraceIndex) -> None:
    traces = TraceStore(tmp_path, "lmstudio", Traces(), ["hidden-secret-1"])
    for number, said in enumerate(("the first question", "another hidden-secret-1")):
        body = {"model": "m", "messages": [{"role": "user", "content": said}]}
        one = traces.begin(f"req_{number}", "/v1/messages", {"X-Claude-Code-Session-Id": "s1"}, body)
        one.whole({"content": [{"type": "text", "text": "an answer"}], "usage": {"output_tokens": 7}})
        one.finish(200, "complete")
    traces.close()
    assert index.refresh(PATIENT) == 0
    (session,) = index.sessions()
    assert (session.id, session.title, session.turns, session.output_tokens) == ("s1", "the first question", 2, 14)
    assert ids(index, "question") == ["0"]
    assert ids(index, "answ") == ["1", "0"]
    assert ids(index, '"answ"') == ids(index, "hidden") == []
    (hit,) = index.search("question")
    assert hit.excerpt == (("the first ", False), ("question", True), ("\nan answer", False))
    record = index.read(hit.turn)
    assert record is not None
    assert record["id"] == "req_0"


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("timeout", "timeout"),
        ("TIME", "timeout"),
        ("resume", "Résumé"),
        ("parse_arg", "parse_args"),
        ('"parse args"', "parse_args"),
        ("src/main.p", "src/main.py"),
        ("修复", "修复"),
        ("这个错误", "这个错误"),
        ("テスト", "テスト"),
        ("코드", "코드를"),
    ],
)
def test_words_of_any_language(tmp_path: Path, index: TraceIndex, typed: str, found: str) -> None:
    write_trace(
        tmp_path, 1, "a timeout in Résumé: parse_args() of src/main.py, 请修复这个错误, このテストを直す, 코드를"
    )
    write_trace(tmp_path, 2, "这里错, parse the args, out at noon")
    index.refresh(PATIENT)
    (hit,) = index.search(typed)
    assert "parse_args() of src/main.py, 请修复" in "".join(text for text, _ in hit.excerpt)
    assert "".join(text for text, is_found in hit.excerpt if is_found) == found


def test_sessions_agents_and_turns(tmp_path: Path, index: TraceIndex) -> None:
    asked = [("a", None), ("a", "x"), ("b", None), ("a", "x"), ("a", "y"), (None, None), ("a", None)]
    for number, (session, agent) in enumerate(asked):
        write_trace(
            tmp_path, number, f"said {number}", session=session, agent=agent, outcome="error" if agent else "complete"
        )
    assert index.refresh(PATIENT) == 0
    assert [row.id for row in index.sessions()] == ["a", "", "b"]
    assert [row.id for row in index.sessions(1, before=index.sessions()[0].ended)] == [""]
    row = index.session("a")
    assert row is not None
    assert (row.title, row.agents, row.turns, row.prompt_tokens, row.cached_tokens, row.errors) == (
        "said 0",
        2,
        5,
        50,
        20,
        3,
    )
    assert (row.cost, row.backends) == (None, ("lmstudio",))
    assert index.session("c") is None
    assert [row.id for row in index.called("b")] == ["b"]
    assert [turn.id[-1] for turn in index.turns("a")] == ["0", "1", "3", "4", "6"]
    assert [turn.id[-1] for turn in index.turns("a", "x")] == ["1", "3"]
    assert [turn.id[-1] for turn in index.turns("a", "")] == ["0", "6"]
    assert [turn.id[-1] for turn in index.turns("a", most=2)] == ["4", "6"]
    before = {turn.id[-1]: index.before(turn) for turn in (*index.turns("a"), *index.turns(""))}
    assert {of: turn and turn.id[-1] for of, turn in before.items()} == {
        "0": None,
        "1": None,
        "3": "1",
        "4": None,
        "6": "0",
        "5": None,
    }


def test_prompts_by_their_name(tmp_path: Path, index: TraceIndex) -> None:
    for number, (model, system) in enumerate((("m1", "one"), ("m2", "one"), ("m1", "two"))):
        write_trace(tmp_path, number, request={"body": {"model": model, "system": system}})
    index.refresh(PATIENT)
    two, one = index.prompts()
    assert (one.models, one.uses, one.turn, one.bytes) == (("m1", "m2"), 2, "req_00000001", 3)
    assert (two.uses, two.turn) == (1, "req_00000002")


def test_requests_of_one_millisecond_are_all_there(tmp_path: Path, index: TraceIndex) -> None:
    for number in range(5):
        write_trace(tmp_path, number, time="2027-01-15T08:00:00+00:00")
    assert index.refresh(PATIENT) == 0
    assert len(index.turns("s")) == 5
    assert index.before(index.turns("s")[3]) == index.turns("s")[2]


def test_a_refresh_is_bounded_and_the_next_goes_on_with_the_newest_first(tmp_path: Path, index: TraceIndex) -> None:
    for number in range(5):
        write_trace(tmp_path, number)
    assert [index.refresh(0.0), index.turns("s")[0].id[-1]] == [4, "4"]
    assert [index.refresh(0.0), index.refresh(0.0), index.refresh(0.0), index.refresh(0.0)] == [3, 2, 1, 0]
    assert len(index.turns("s")) == 5


def test_only_what_changed_is_read_again(tmp_path: Path, index: TraceIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def reading(traces: Path, file: str) -> dict[str, Any] | None:
        read.append(file[-6])
        return record_in(traces, file)

    monkeypatch.setattr(indexed, "record_in", reading)
    write_trace(tmp_path, 1)
    write_trace(tmp_path, 2)
    damaged = tmp_path / "traces/lmstudio/trace-3.json"
    damaged.write_text('{"request": {"bo')
    assert [index.refresh(PATIENT), index.refresh(PATIENT), "".join(read)] == [0, 0, "321"]
    write_trace(tmp_path, 1, "changed")
    damaged.write_text('{"request": {}}')
    assert [index.refresh(PATIENT), "".join(read)] == [0, "32131"]
    assert ids(index, "changed") == ["1"]
    assert index.count() == 3


def test_what_is_pruned_leaves_no_word(tmp_path: Path, index: TraceIndex) -> None:
    words = [hashlib.sha256(b"%d" % number).hexdigest()[:16] for number in range(100)]
    for number, word in enumerate(words):
        write_trace(tmp_path, number, word)
    index.refresh(PATIENT)
    kept = sum(file.stat().st_size for file in (tmp_path / "traces/lmstudio").iterdir()) // 2
    TraceFolder(tmp_path, "lmstudio", kept, 1e9).prune()
    turn = index.turns("s")[0]
    assert index.read(turn) is None
    assert index.refresh(PATIENT) == 0
    assert 45 < index.count() < 55
    assert index.search(words[0]) == []
    left = (tmp_path / "traces" / NAME).read_bytes()
    assert words[99].encode()[-10:] in left  # SQLite leaves out what a word begins with like the one before
    assert [number for number, word in enumerate(words[:45]) if word.encode()[-10:] in left] == []
    assert [number for number in range(45) if b"req_%08d" % number in left] == []


def test_words_are_wiped_once_a_minute_at_most(
    tmp_path: Path, index: TraceIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr("anyclaude.trace.indexed.time.time", lambda: BEGAN + clock[0])
    files = [write_trace(tmp_path, number, f"unforgettable{number}") for number in range(4)]
    index.refresh(PATIENT)
    wiped: list[float] = []
    real = indexed._wiped

    def wiping(on: sqlite3.Connection) -> None:
        wiped.append(clock[0])
        real(on)

    monkeypatch.setattr(indexed, "_wiped", wiping)
    for clock[0], gone in ((1.0, 0), (60.0, 1), (62.0, None), (130.0, None), (140.0, 2)):
        if gone is not None:
            files[gone].unlink()
        assert index.refresh(PATIENT) == 0
    assert wiped == [1.0, 62.0, 140.0]


def test_pruning_leaves_the_index_alone(tmp_path: Path, index: TraceIndex) -> None:
    write_trace(tmp_path, 1)
    index.refresh(PATIENT)
    for mode in ("lmstudio", "claude"):
        TraceFolder(tmp_path, mode, 0, 0.0).prune()
    assert (tmp_path / "traces" / NAME).exists()


DEEP: Any = []
for _ in range(240):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    "record",
    [
        {"request": {"body": {"messages": [{"role": "user", "content": [{"type": "tool_use", "input": DEEP}]}]}}},
        {"request": {"body": {"system": DEEP, "tools": DEEP}}},
        {"request": None, "usage": {"output_tokens": 2**200, "cost": -1e300}, "time": "0001-01-01T00:00:00"},
        {"request": [], "session": {"a": 1}, "agent": 3, "id": ["x"], "notes": {"kind": "route"}},
        {"request": {"body": {"tools": [3, None, {"type": []}], "messages": {"role": "user"}}}, "response": 3},
    ],
    ids=range(5),
)
def test_a_record_of_any_shape(tmp_path: Path, index: TraceIndex, record: dict[str, Any]) -> None:
    file = write_trace(tmp_path, 1)
    file.write_text(json.dumps(record))
    assert index.refresh(PATIENT) == 0
    assert index.count() <= 1
    looked_at(index)
    for row in index.sessions():
        index.turns(row.id)
