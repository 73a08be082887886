"""`anyclaude trace sessions`, `search` and `export`: what they print, and their exit codes."""

import json
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from anyclaude.cli.main import main


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(tmp_path)
    for number, (session, said) in enumerate((("abc-1", "fix the bug"), ("abd-2", "look \x1b[2J[bold]here[/bold]"))):
        write(tmp_path, number, session, said)
    return tmp_path


def write(home: Path, number: int, session: str, said: str) -> None:
    record: dict[str, Any] = {
        "id": f"req_{number:08d}",
        "time": f"2026-01-0{number + 1}T00:00:00",
        "mode": "lmstudio",
        "session": session,
        "request": {"body": {"tools": [{"name": "Read"}], "messages": [{"role": "user", "content": said}]}},
        "response": {"status": 200, "body": {"content": [{"type": "text", "text": "done so"}]}},
        "usage": {"prompt_tokens": 1234, "output_tokens": 56, "cost": 0.25},
        "outcome": "complete",
    }
    folder = home / ".anyclaude" / "traces" / "lmstudio"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"trace-2026010{number + 1}-000000-000-{number:08d}.json").write_text(json.dumps(record))


def test_sessions_have_the_latest_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", "sessions"]) == 0
    heads, *rows = (line.split() for line in capsys.readouterr().out.splitlines())
    assert heads == ["when", "session", "about", "turns", "in", "out", "cost"]
    assert rows[0] == ["01-02", "00:00:00", "abd-2", "look", "[2J[bold]here[/bold]", "1", "1234", "56", "$0.2500"]
    assert rows[1][2:6] == ["abc-1", "fix", "the", "bug"]


def test_sessions_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", "sessions", "--json", "-n", "1"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["id"], row["turns"], row["backends"], row["agents"]) == ("abd-2", 1, ["lmstudio"], 0)


def test_search_shows_where_words_were_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", "search", "done", "lo"]) == 0
    head, said = capsys.readouterr().out.strip().split("\n")
    assert head == "01-02 00:00:00 00000001, main of session abd-2"
    assert said == "look [2J[bold]here[/bold] done so"


@pytest.mark.parametrize(
    ("words", "found"), [(["done so"], 2), (["so done"], 0), (["so", "done"], 2), (['"do"'], 0), (["-x"], 0)]
)
def test_an_argument_of_several_words_is_found_as_it_is(
    words: list[str], found: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["trace", "search", "--json", "--", *words]) == (0 if found else 1)
    assert len(capsys.readouterr().out.splitlines()) == found


def test_what_cannot_be_read_now_is_not_waited_for(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anyclaude.trace.index_file.WAIT", 0.05)
    assert main(["trace", "sessions"]) == 0
    write(home, 2, "new", "something new")
    with closing(sqlite3.connect(home / ".anyclaude/traces/index.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        capsys.readouterr()
        assert main(["trace", "search", "something"]) == 1
    told = capsys.readouterr()
    assert told.out == "nothing found in 2 requests\n"
    assert told.err.endswith("another program writes the index; it lacks 1 of the traces, so ask again in a moment\n")


def test_nothing_found_and_nothing_to_search(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["trace", "search", "nowhere"]) == 1
    assert capsys.readouterr().out == "nothing found in 2 requests\n"
    monkeypatch.setenv("HOME", str(home / "another"))
    assert main(["trace", "search", "nowhere"]) == 1
    assert main(["trace", "sessions"]) == 0
    assert capsys.readouterr().out.count("no traces yet: they are kept at debug level 3") == 2


@pytest.mark.parametrize("name", ["last", "abd", "abd-2"])
def test_export_as_markdown(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", "export", name]) == 0
    said = capsys.readouterr().out
    assert said.startswith("# ")
    assert "done so" in said
    assert "\x1b" not in said


def test_export_to_a_file_that_is_the_owners_alone(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", "export", "abc", "--format=json", "-o", "out.json"]) == 0
    assert capsys.readouterr().out == ""
    file = home / "out.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text())["format"] == "anyclaude.session"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["export", "ab"], "several sessions begin with ab; `anyclaude trace sessions` shows those that there are"),
        (["export", "x"], "no session begins with x;"),
        (["export", "abc", "-o", "no/folder/x"], "no/folder/x"),
        (["search"], "required: TEXT; see anyclaude trace search --help"),
    ],
)
def test_a_wrong_word_is_one_sentence(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", *words]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
