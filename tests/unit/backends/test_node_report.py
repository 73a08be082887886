"""What a node says of itself, and what is made of it when it says something odd."""

from typing import Any

import pytest

from anyclaude.backends.node import report_of

HEALTH: dict[str, Any] = {
    "status": "healthy",
    "state": "ready",
    "model": "qwen",
    "context_length": 32768,
    "supports_tools": True,
    "active": 2,
    "waiting": 1,
    "room": 63,
    "queued_prefill_tokens": 900,
    "prefill_tps": 800.5,
    "decode_tps": 40,
    "first_token": {"count": 9, "mean": 0.5, "p95": 1.5},
    "memory": {"active": 7, "limit": 9},
    "instance": "abc",
}
CACHE: dict[str, Any] = {
    "hit_tokens": 90,
    "prompt_tokens": 100,
    "entries": [
        {"system_hash": "one", "session": "s/main", "tokens": 500},
        {"system_hash": "one", "session": "s/main", "tokens": 900},
        {"system_hash": None, "session": None, "tokens": 40},
    ],
}


def test_all_that_our_worker_says() -> None:
    report = report_of(HEALTH, CACHE)
    assert (report.state, report.model, report.context_length, report.supports_tools) == ("ready", "qwen", 32768, True)
    assert (report.active, report.waiting, report.room, report.queued_tokens) == (2, 1, 63, 900)
    assert (report.prefill_tps, report.decode_tps) == (800.5, 40.0)
    assert (report.first_token_mean, report.first_token_p95) == (0.5, 1.5)
    assert (report.memory_used, report.memory_limit, report.instance) == (7, 9, "abc")
    assert (report.systems, report.sessions, report.hit_rate) == (frozenset({"one"}), {"s/main": 900}, 0.9)
    assert (report.cached_tokens, report_of(HEALTH, {}).cached_tokens) == (1440, None)


@pytest.mark.parametrize(
    ("health", "cache"),
    [
        ({"state": "ready"}, {}),
        (
            {
                "state": "ready",
                "model": 7,
                "context_length": "big",
                "active": -1,
                "waiting": True,
                "room": "much",
                "memory": [],
            },
            {},
        ),
        ({"state": "ready", "prefill_tps": "fast", "decode_tps": 0, "instance": ""}, {"entries": [1, "x", None]}),
        ({"state": "ready"}, {"entries": [{"system_hash": 5, "session": 6, "tokens": "many"}], "hit_tokens": "x"}),
    ],
)
def test_what_has_a_wrong_type_is_not_said(health: dict[str, Any], cache: dict[str, Any]) -> None:
    report = report_of(health, cache)
    assert (report.model, report.context_length, report.prefill_tps, report.hit_rate) == (None, None, None, None)
    assert (report.active, report.waiting, report.systems, report.sessions) == (0, 0, frozenset(), {})


@pytest.mark.parametrize("state", ["odd", None, 3])
def test_a_state_that_nobody_knows_is_none_to_be_asked_in(state: object) -> None:
    assert report_of({"state": state}, {}).state == "dead"
