"""One request as a row: what the record says, in the words of each backend, and whatever of it is there."""

from dataclasses import asdict
from typing import Any

import pytest

from anyclaude.trace.turn import turn_of

FILE = "openrouter/trace-20260102-030405-678-abcdefgh.json"
TOOL = {"name": "Read", "input_schema": {"type": "object"}}
RECORD: dict[str, Any] = {
    "id": "req_1",
    "time": "2026-01-02T03:04:05.678+00:00",
    "mode": "openrouter",
    "session": "s",
    "agent": None,
    "request": {
        "headers": {"User-Agent": "claude-cli/2.1.197 (external, cli)"},
        "body": {"model": "claude-opus-4-8", "tools": [TOOL], "messages": [{"role": "user", "content": "hello"}]},
    },
    "upstream": [{"body": {"model": "a/b"}}, {"body": {"model": "c/d"}}],
    "response": {"status": 200, "body": {"stop_reason": "end_turn", "content": []}},
    "timings_ms": {"accepted": 1.5, "first_event": 2, "first_token": 3, "end": 9.5},
    "usage": {"input_tokens": 1, "prompt_tokens": 70, "cached_tokens": 60, "output_tokens": 5, "cost": 0.25},
    "notes": [
        {"kind": "route", "to": "openrouter:a/b", "reason": "main"},
        {"kind": "queue", "seconds": 0.5},
        {"kind": "fallback", "failed": "openrouter:a/b"},
        {"kind": "route", "to": "openrouter:c/d", "reason": "a/b did not answer"},
        {"kind": "learnt"},
        {"kind": "repair"},
        {"kind": "prefix", "kept_bytes": 10, "before_bytes": 20, "cause": "date"},
    ],
    "outcome": "complete",
    "error": None,
}


def body_of(**body: Any) -> dict[str, Any]:
    return {**RECORD, "request": {"body": body}}


def test_all_that_a_record_says() -> None:
    turn = asdict(turn_of(RECORD, FILE, 0.0))
    expected = {
        "id": "req_1",
        "file": FILE,
        "at": 1767323045.678,
        "backend": "openrouter",
        "model": "c/d",
        "asked": "claude-opus-4-8",
        "role": "main",
        "client": "2.1.197",
        "status": 200,
        "stop": "end_turn",
        "prompt_tokens": 70,
        "cached_tokens": 60,
        "output_tokens": 5,
        "cost": 0.25,
        "queued_ms": 500.0,
        "accepted_ms": 1.5,
        "end_ms": 9.5,
        "retries": 2,
        "repairs": 1,
        "kept_bytes": 10,
        "before_bytes": 20,
        "broken": "date",
        "opening": "hello",
        "last_turn": "hello",
    }
    assert {name: turn[name] for name in expected} == expected


def test_claudes_counts_have_the_cached_ones_beside() -> None:
    usage = {"input_tokens": 1, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 300, "output_tokens": 4}
    turn = turn_of({**RECORD, "usage": usage}, FILE, 0.0)
    assert (turn.prompt_tokens, turn.cached_tokens, turn.output_tokens) == (321, 20, 4)


def test_behind_the_backend_of_a_route_may_stand_a_node() -> None:
    notes = [{"kind": "route", "to": "mlx-cluster:qwen"}, {"kind": "route", "to": "mlx-cluster:studio-2"}]
    turn = turn_of({**RECORD, "notes": notes, "upstream": [{"body": {"model": "qwen"}}]}, FILE, 0.0)
    assert (turn.backend, turn.model) == ("mlx-cluster", "qwen")


@pytest.mark.parametrize(
    ("body", "agent", "role"),
    [
        ({"tools": [TOOL]}, None, "main"),
        ({"tools": [TOOL]}, "a1", "subagent"),
        ({"tools": []}, "a1", "background"),
        ({"stop_sequences": ["</block>"]}, None, "classifier"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, None, "search"),
        ({"max_tokens": 1}, None, "check"),
    ],
)
def test_requests_are_told_apart_by_their_shape(body: dict[str, Any], agent: str | None, role: str) -> None:
    assert turn_of({**body_of(**body), "agent": agent}, FILE, 0.0).role == role


def test_a_prompt_has_the_same_name_in_each_project() -> None:
    def named(folder: str, billing: str, tool: str = "Read") -> str:
        system = [
            {"type": "text", "text": f"x-anthropic-billing-header: {billing}"},
            {"type": "text", "text": f"You help.\n\n# Environment\nPrimary working directory: {folder}\n"},
            {"type": "text", "text": f"gitStatus: a branch of {folder}", "cache_control": {"type": "ephemeral"}},
        ]
        return turn_of(body_of(system=system, tools=[{"name": tool}]), FILE, 0.0).prompt

    assert named("/a", "1") == named("/b", "2") != ""
    assert named("/a", "1") != named("/a", "1", "Write")
    assert turn_of(body_of(messages=[]), FILE, 0.0).prompt == ""


@pytest.mark.parametrize("told", [None, 3, "yesterday", "9999-99-99", [], "0001-01-01T00:00:00+00:00"])
def test_without_a_time_the_file_has_one(told: Any) -> None:
    assert turn_of({**RECORD, "time": told}, "lmstudio/trace-x.json", 77.0).at in (0.0, 77.0)
    assert turn_of({**RECORD, "time": told}, FILE, 77.0).at != 77.0


VALUES: list[Any] = [None, 3, -1, 2**70, True, "x", [], {}, [None], {"body": 3}, [{"kind": 3}], "\x1b[2J"]


@pytest.mark.parametrize("name", [*RECORD, "headers", "body"])
def test_of_any_shape(name: str) -> None:
    for value in VALUES:
        inner = {**RECORD["request"], name: value}
        record = {**RECORD, "request": inner} if name in ("headers", "body") else {**RECORD, name: value}
        for held in asdict(turn_of(record, FILE, 1.0)).values():
            assert held is None or isinstance(held, int | float) or held.isprintable()
            assert not isinstance(held, int) or abs(held) < 2**63
