"""`anyclaude trace`: what it prints, and its exit codes."""

import json
from pathlib import Path
from typing import Any

import pytest

from anyclaude.cli.main import main


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(tmp_path)
    for number, text in enumerate(("hello", "hello [bold]you[/bold]\x1b[2J"), 1):
        write(tmp_path, "lmstudio", number, text)
    write(tmp_path, "claude", 0, "old")
    return tmp_path


def write(home: Path, mode: str, number: int, text: str) -> None:
    body: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": text}]}
    record: dict[str, Any] = {
        "id": f"req_abcdefg{number}",
        "time": f"2026-01-0{number + 1}T00:00:00",
        "mode": mode,
        "request": {"body": body},
    }
    record |= {
        "upstream": [{"body": body}],
        "response": {"status": 200, "body": {"content": []}},
        "outcome": "complete",
    }
    folder = home / ".anyclaude" / "traces" / mode
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"trace-2026010{number + 1}-000000-000-abcdefg{number}.json").write_text(json.dumps(record))


def write_summary(home: Path, model: str, cost: float) -> Path:
    """The newest trace, with all that a list can show."""
    write(home, "openrouter", 8, "hello")
    file = home / ".anyclaude/traces/openrouter/trace-20260109-000000-000-abcdefg8.json"
    record = json.loads(file.read_text())
    record |= {
        "notes": [{"kind": "route", "to": f"openrouter:{model}", "reason": "background"}],
        "usage": {"input_tokens": 123_456, "output_tokens": 1234, "cost": cost},
        "timings_ms": {"end": 123_456.7},
    }
    file.write_text(json.dumps({**record, "time": "2026-01-09T00:00:00"}))
    return file


def test_list_has_the_newest_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", "list", "-n", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[1].split()[2] == "abcdefg2"
    assert lines[2].split()[2] == "abcdefg1"
    assert lines[2].rstrip().endswith(" hello")


@pytest.mark.parametrize("columns", [80, 120])
def test_a_list_fits_the_terminal(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    write(Path.home(), "lmstudio", 8, "many words " * 100)
    assert main(["trace", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert max(map(len, lines)) <= columns
    assert ("many words" in lines[1]) == (columns == 120)


def test_in_a_narrow_terminal_the_id_is_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    file = write_summary(Path.home(), model="anthropic/claude-sonnet-4.5-and-a-name-that-goes-on", cost=0.0125)
    assert main(["trace", "list", "-n", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert file.stem[-8:] in lines[1].split()
    assert {"01-09", "00:00:00", "$0.0125", "complete"} <= {*lines[1].split()}
    assert "".join(line[24:].split()[0] for line in lines[1:]).endswith("sonnet-4.5-and-a-name-that-goes-on")


def test_list_of_a_mode_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", "list", "--mode", "claude", "--json"]) == 0
    (row,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (row["mode"], row["outcome"], row["id"]) == ("claude", "complete", "req_abcdefg0")


@pytest.mark.parametrize("name", ["last", "req_abcdefg2", "abcdefg2", "20260103"])
def test_show_takes_nothing_for_markup(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", "show", name]) == 0
    assert "hello [bold]you[/bold][2J" in capsys.readouterr().out


def test_diff(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", "diff", "abcdefg1", "abcdefg2"]) == 1
    assert "the first differing byte is 5: turn 1 (user) block 1, byte 5 of it" in capsys.readouterr().out
    assert main(["trace", "diff", "abcdefg1", "abcdefg1"]) == 0


@pytest.mark.parametrize("name", ["nothing", "abcdefg"])
def test_a_name_that_fits_none_or_many(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", "show", name]) == 2
    assert f"called {name}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "required: COMMAND; see anyclaude trace --help"),
        (["nope"], "invalid choice: 'nope'"),
        (["replay", "last"], "required: --mode; see anyclaude trace replay --help"),
        (["list", "-n", "x"], "must be a whole number from 1 to 1000000, not 'x'"),
        (["list", "-n", "0"], "must be a whole number from 1 to 1000000, not '0'"),
    ],
)
def test_a_wrong_word_is_one_sentence(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", *words]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
