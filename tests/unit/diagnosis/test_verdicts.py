"""From outcomes to a verdict, and to what is learnt about the model."""

from collections.abc import Mapping
from typing import Any

import pytest

from anyclaude.config.model import ProfileChange
from anyclaude.diagnosis.collected import Collected
from anyclaude.diagnosis.exercises import EXERCISES, Outcome
from anyclaude.diagnosis.judging import Judgement, Status
from anyclaude.diagnosis.verdicts import learnt, verdict
from anyclaude.errors import PromptTooLong, UpstreamBroken
from tests.support.collected import answer, broken

NAMES = [exercise.name for exercise in EXERCISES]
CALLING = [exercise.name for exercise in EXERCISES if exercise.calls]
NOTHING = ProfileChange()
OFFERED: dict[str, Any] = {"tools": [{}]}


def outcomes(
    others: Status = "passed", answers: Mapping[str, Collected] | None = None, **named: Status
) -> list[Outcome]:
    """named: statuses, `_` for a space."""
    statuses = {name.replace("_", " "): status for name, status in named.items()}
    came = answers or {}
    return [
        Outcome(
            exercise,
            Judgement(statuses.get(exercise.name, others), ""),
            answers=(came[exercise.name],) if exercise.name in came else (),
        )
        for exercise in EXERCISES
    ]


def all_calling(came: Collected) -> dict[str, Collected]:
    return dict.fromkeys(CALLING, came)


CASES: list[tuple[list[Outcome], str, int, str]] = [
    (outcomes(), "good", 100, "all work"),
    (outcomes(second_turn="failed", long_prompt="failed"), "good", 87, "all work"),
    (outcomes(nested_arguments="partly"), "usable", 92, "nested arguments: partly"),
    (outcomes(odd_characters="failed", parallel_calls="failed"), "usable", 80, "below 85"),
    (outcomes(one_tool_call="partly"), "talk only", 90, "cannot be relied on"),
    (
        outcomes(one_tool_call="failed", parallel_calls="failed", nested_arguments="failed", odd_characters="failed"),
        "talk only",
        45,
        "no tool call works",
    ),
    (outcomes()[:2], "talk only", 100, "no tool call was tried"),
    (outcomes("failed"), "not usable", 0, "no exercise"),
    (outcomes("skipped"), "not usable", 0, "no exercise"),
    ([], "not usable", 0, "no exercise"),
]


@pytest.mark.parametrize(("found", "word", "score", "reason"), CASES)
def test_a_verdict_has_reasons(found: list[Outcome], word: str, score: int, reason: str) -> None:
    result = verdict(found)
    assert (result.word, result.score) == (word, score)
    assert any(reason in each for each in result.reasons)
    assert result.fit is (word in ("good", "usable"))


def test_what_was_skipped_costs_nothing() -> None:
    assert verdict(outcomes(long_prompt="skipped", second_turn="skipped")).word == "good"


def test_a_model_that_no_launch_starts_with_is_not_usable() -> None:
    result = verdict(outcomes(), "the window is too small")
    assert (result.word, result.score, result.reasons[0]) == ("not usable", 100, "the window is too small")


def test_a_model_that_never_calls_takes_no_tools() -> None:
    silent = answer("No.", sent=OFFERED)
    assert learnt(outcomes(answers=all_calling(silent)), NOTHING) == ProfileChange(tools=False)
    assert learnt(outcomes(answers=all_calling(silent)), ProfileChange(tools=False)) == NOTHING


@pytest.mark.parametrize(
    "came",
    [
        answer("No."),  # the tools never went upstream
        broken(UpstreamBroken("gone"), sent=OFFERED),
        Collected(late=True, sent=OFFERED),
        answer("", ("get_weather", "{"), sent=OFFERED),
    ],
)
def test_tools_are_only_denied_where_that_was_seen(came: Collected) -> None:
    assert learnt(outcomes(answers=all_calling(came)), NOTHING) == NOTHING


def test_two_silent_answers_are_too_few() -> None:
    came = dict.fromkeys(CALLING[:2], answer("No.", sent=OFFERED))
    assert learnt(outcomes(answers=came), NOTHING) == NOTHING


def test_what_works_against_the_settings_is_learnt_too() -> None:
    came = all_calling(answer("", ("get_weather", {"city": "Oslo"}), sent=OFFERED))
    assert learnt(outcomes(answers=came), ProfileChange(tools=False)) == ProfileChange(tools=True)


@pytest.mark.parametrize(
    ("status", "sent", "finish", "found"),
    [
        ("failed", {"response_format": {}}, "end_turn", NOTHING),
        ("failed", {"response_format": {"type": "json_schema"}}, "end_turn", ProfileChange(response_format=False)),
        ("passed", {"response_format": {"type": "json_schema"}}, "end_turn", NOTHING),
        ("failed", {"response_format": {"type": "json_schema"}}, "max_tokens", NOTHING),
        ("failed", {}, "end_turn", NOTHING),
    ],
)
def test_a_schema_that_was_not_kept_to(status: Status, sent: dict[str, Any], finish: Any, found: ProfileChange) -> None:
    came = {"JSON format": answer("A book.", sent=sent, finish=finish)}
    assert learnt(outcomes(answers=came, **{"JSON format": status}), NOTHING) == found


def test_the_window_is_learnt_only_where_the_server_did_not_say() -> None:
    came = {"long prompt": broken(PromptTooLong(3000, 2048))}
    assert learnt(outcomes(answers=came), NOTHING) == ProfileChange(context_window=2048)
    assert learnt(outcomes(answers=came), NOTHING, window=4096) == NOTHING


def test_what_the_server_refused_is_learnt() -> None:
    found = learnt(outcomes(), ProfileChange(refused=("top_p",)), refused=("top_k", "tools", "tool schemas"))
    assert found == ProfileChange(tools=False, refused=("top_p", "top_k", "tool schemas"))
