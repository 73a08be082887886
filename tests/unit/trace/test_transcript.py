"""A record to read: everything in order, and nothing that steers a terminal."""

from typing import Any

import pytest

from anyclaude.trace.parts import printable
from anyclaude.trace.transcript import summary, transcript

RECORD: dict[str, Any] = {
    "id": "req_1",
    "time": "2026-01-02T03:04:05.678+00:00",
    "mode": "lmstudio",
    "request": {
        "body": {
            "model": "claude-opus-4-5",
            "system": [{"type": "text", "text": "be\x1b[2J"}],
            "tools": [{"name": "Read"}],
            "messages": [
                {"role": "user", "content": "look \x1b]0;evil\x07 [bold]here[/bold]"},
                {"role": "assistant", "content": [{"type": "tool_use", "name": "Read", "input": {"path": "/\x9b1m"}}]},
                {"role": "user", "content": [{"type": "tool_result", "is_error": True, "content": "no file"}]},
                {"role": "user", "content": [{"type": "tool_result", "content": [{"type": "text", "text": "done"}]}]},
                {"role": "user", "content": [{"type": "image", "source": {}}]},
            ],
        }
    },
    "response": {
        "status": 200,
        "body": {"content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "ok"}]},
    },
    "usage": {"input_tokens": 3, "cache_read_input_tokens": 4, "output_tokens": 2, "cost": 0.01},
    "timings_ms": {"first_event": 2.0, "end": 9.5},
    "notes": [{"kind": "route", "at_ms": 0.1, "to": "lmstudio:m", "reason": "main"}],
    "outcome": "complete",
    "error": None,
}


def test_a_transcript() -> None:
    pieces = list(transcript(RECORD))
    titles = [piece.title for piece in pieces]
    assert titles[1:] == [
        "request",
        "user",
        "calls Read",
        "result (an error)",
        "result",
        "user: image",
        "answer, status 200",
        "assistant thinks",
        "assistant",
        "usage",
        "timings_ms",
        "route at 0.1 ms",
    ]
    assert pieces[1].text == "system: 6 bytes\ntools: 1, 17 bytes: Read"
    assert pieces[5].text == "done"
    assert pieces[-1].text == "to: lmstudio:m\nreason: main"


def test_no_control_character_is_left() -> None:
    for piece in transcript(RECORD):
        assert piece.title.isprintable()
        assert all(line.isprintable() for line in piece.text.split("\n"))


def test_lines_and_tabs_stay() -> None:
    assert printable("a\n\tb\x1b\r\x85\u2028\u202ec") == "a\n\tbc"


def test_a_summary() -> None:
    row = summary(RECORD)
    assert (row.model, row.role, row.tokens_in, row.tokens_out, row.cost, row.ms) == (
        "lmstudio:m",
        "main",
        7,
        2,
        0.01,
        9.5,
    )


@pytest.mark.parametrize(
    "odd", [{}, {"request": None, "notes": 3, "usage": []}, {"request": {"body": "x"}, "response": {"body": []}}]
)
def test_odd_records_are_told_all_the_same(odd: dict[str, Any]) -> None:
    assert summary(odd).tokens_in is None
    assert list(transcript(odd))


def test_the_last_turn_is_what_was_said_and_no_reminder() -> None:
    reminder = {"type": "text", "text": "<system-reminder>be good</system-reminder>"}
    result = {"type": "tool_result", "content": [{"type": "text", "text": "1\x1b[2J\n2"}]}
    for content, said in (
        ([{"type": "text", "text": "What?"}, reminder], "What?"),
        ([result], "result: 1[2J 2"),
        ("<session>Hi</session>", "<session>Hi</session>"),
        ([reminder], ""),
        (None, ""),
    ):
        messages = [{"role": "user", "content": "before"}, {"role": "user", "content": content}, {"role": "system"}]
        assert summary({"request": {"body": {"messages": messages}}}).last_turn == said
    assert summary({"request": {"body": {"messages": 3}}}).last_turn == ""


def test_the_model_is_the_one_that_went_upstream() -> None:
    record: dict[str, Any] = {"notes": [{"kind": "route", "to": "lmstudio"}], "upstream": [{"body": {"model": "qwen"}}]}
    assert summary(record).model == "lmstudio:qwen"
    record["notes"][0]["to"] = "claude:opus"
    assert summary(record).model == "claude:opus"
    assert summary({"upstream": ["odd"], "notes": [{"kind": "route", "to": "claude"}]}).model == "claude"
