"""Why a turn was slow, in one sentence."""

from typing import Any

import pytest

from anyclaude.trace.measured import Noted
from anyclaude.trace.slowness import seconds, slowness
from anyclaude.trace.tokens import Tokens, tokens_of
from tests.support.records import record, user

SYSTEM = "You help.\n\n# Tone\nBrief.\n\ngitStatus: on main\nclean"
PREFILLED = {"accepted": 20.0, "first_event": 9000.0, "first_token": 9010.0, "end": 9900.0}
USED = {"prompt_tokens": 21_900, "cached_tokens": 7600, "output_tokens": 40}


def turn(system: str = SYSTEM, turns: int = 1, to: str = "lmstudio", **parts: Any) -> dict[str, Any]:
    sent = {"model": "m", "messages": [{"role": "system", "content": system}, *[user("hi")] * turns]}
    notes = [{"kind": "route", "to": to, "at_ms": 1.0}, *parts.pop("notes", [])]
    defaults = {"timings_ms": PREFILLED, "usage": USED, "upstream": [{"at_ms": 5.0, "body": sent}]}
    return record((user("hi"),), **(defaults | parts), notes=notes)


def test_a_prompt_that_changed() -> None:
    found = slowness(turn(), turn(SYSTEM.replace("clean", "M a.py")))
    assert found.cause == "prompt changed"
    assert found.verdict == (
        "14,300 of 21,900 prompt tokens were computed again, because `gitStatus` of the system prompt changed"
    )
    assert found.change is not None
    assert {"-M a.py", "+clean"} <= set(found.change.parting.lines)


def test_without_the_request_before_by_what_was_noted() -> None:
    note = {
        "kind": "prefix",
        "kept_bytes": 30,
        "before_bytes": 120,
        "cause": "git status",
        "block": "message 0 (system)",
    }
    found = slowness(turn(notes=[note]))
    assert found.noted == Noted(30, 120, "git status", "message 0 (system)")
    assert found.noted.share == 0.25
    assert found.verdict.endswith("computed again, because the prompt changed (git status, message 0 (system))")


def test_a_prompt_that_the_server_did_not_keep() -> None:
    before = turn(usage={**USED, "prompt_tokens": 21_000})
    found = slowness(turn(turns=2), before)
    assert (found.cause, found.change) == ("not kept", None)
    assert found.verdict == (
        "14,300 of 21,900 prompt tokens were computed, though the prompt begins with all of the last one: "
        "the upstream no longer had it, or does not say what it had"
    )
    other = slowness(turn(turns=2, to="mlx-cluster:b"), {**before, "notes": [{"kind": "route", "to": "mlx-cluster:a"}]})
    assert other.verdict.endswith("it went to mlx-cluster:b, and the one before to mlx-cluster:a")


def test_much_that_is_new() -> None:
    found = slowness(turn(turns=2), turn(usage={**USED, "prompt_tokens": 7600}))
    assert (found.cause, found.verdict) == (
        "prompt",
        "14,300 of 21,900 prompt tokens were computed, at 1,588 a second",
    )


def test_the_first_request() -> None:
    found = slowness(turn(usage={**USED, "cached_tokens": 0}))
    assert found.verdict == ("all 21,900 prompt tokens were computed, at 2,432 a second; no request before it is known")


def test_slow_though_nearly_all_was_kept() -> None:
    found = slowness(turn(usage={**USED, "cached_tokens": 21_000}), turn(SYSTEM + "changed"))
    assert found.verdict == "it took 9.0 s to the first token, though only 900 of 21,900 prompt tokens were computed"


def test_an_upstream_that_does_not_count() -> None:
    assert slowness(turn(usage={})).verdict == "it took 9.0 s to the first token; what was cached is not known"
    found = slowness(turn(usage={}), turn(SYSTEM.replace("Brief", "Long")))
    assert found.verdict == "it took 9.0 s to the first token, and `Tone` of the system prompt changed"


@pytest.mark.parametrize(
    ("parts", "cause", "verdict"),
    [
        (
            {
                "notes": [{"kind": "queue", "at_ms": 8000.0, "seconds": 7.9, "others": 2}],
                "upstream": [{"at_ms": 8005.0}],
            },
            "queue",
            "it waited 7.9 s in the queue behind 2 others",
        ),
        (
            {"upstream": [{"at_ms": 5.0}, {"at_ms": 8000.0}]},
            "failed attempt",
            "an attempt that came to nothing took 8.0 s before it",
        ),
        ({"upstream": [{"at_ms": 8000.0}]}, "prepare", "it took 8.0 s to make the request ready"),
        (
            {"timings_ms": {"first_token": 900.0, "end": 82_900.0}, "usage": {"output_tokens": 900}},
            "writing",
            "the model wrote 900 tokens at 11 a second",
        ),
        ({"timings_ms": {"first_token": 900.0, "end": 9000.0}, "usage": {}}, "writing", "the model wrote for 8.1 s"),
        ({"timings_ms": {"end": 1234.0}}, "nothing", "nothing unusual: it took 1.2 s"),
        ({"timings_ms": {"end": 12_340.0}}, "unknown", "it took 12 s; when its first token came is not recorded"),
        ({"timings_ms": {}}, "unknown", "the record does not say how long it took"),
        ({"outcome": "error", "error": "no\x1b[2J\nroom"}, "failed", "it failed after 9.9 s: no[2J room"),
    ],
)
def test_other_reasons(parts: dict[str, Any], cause: str, verdict: str) -> None:
    found = slowness(turn(**parts))
    assert (found.cause, found.verdict) == (cause, verdict)


def test_prompts_of_two_models_are_compared_by_what_claude_code_sent() -> None:
    before = turn(SYSTEM.replace("clean", "M a.py"))
    before["upstream"][0]["body"]["model"] = "another"
    assert slowness(turn(), before).change is None


def test_anthropic_counts_what_was_cached_beside_the_input() -> None:
    usage = {"input_tokens": 3, "cache_read_input_tokens": 90, "cache_creation_input_tokens": 7, "output_tokens": 5}
    found = tokens_of({"usage": usage})
    assert (found, found.computed) == (Tokens(100, 90, 5), 10)
    assert tokens_of({"usage": {"prompt_tokens": -1, "cached_tokens": True, "output_tokens": "5"}}) == Tokens(
        None, None, None
    )


@pytest.mark.parametrize(
    ("ms", "said"), [(None, "an unknown time"), (12.4, "12 ms"), (1234.0, "1.2 s"), (65_432.0, "65 s")]
)
def test_times_to_read(ms: float | None, said: str) -> None:
    assert seconds(ms) == said
