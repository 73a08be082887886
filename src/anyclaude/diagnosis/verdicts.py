"""What the outcomes of `--test-model` mean: a score, a verdict for Claude Code, and what is learnt about the model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from anyclaude.config.model import ProfileChange
from anyclaude.diagnosis.exercises import Outcome
from anyclaude.diagnosis.judging import Status
from anyclaude.errors import PromptTooLong

Word = Literal["good", "usable", "talk only", "not usable"]

_WORTH: Final[Mapping[Status, float]] = {"passed": 1.0, "partly": 0.5, "failed": 0.0, "skipped": 0.0}
_GOOD: Final = 85
_USABLE: Final = 55
_NEEDED: Final = ("one tool call", "nested arguments", "tool result follow-up")
"""What every step of Claude Code's work is made of."""

_LEAST_ASKED: Final = 3
"""Answers without a call, when tools were offered, from which on the model is known to make none."""

_LEARNT: Final = {
    "tools": "tools",
    "images": "images",
    "response_format": "response_format",
    "parallel_tool_calls": "parallel_tool_calls",
    "named tool_choice": "named_tool_choice",
}
"""Refusals that a profile has a field of its own for."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """score: 0 to 100, over the exercises that were done."""

    word: Word
    score: int
    reasons: tuple[str, ...]

    @property
    def fit(self) -> bool:
        """Whether Claude Code can work with it."""
        return self.word in ("good", "usable")


def verdict(outcomes: Sequence[Outcome], obstacle: str | None = None) -> Verdict:
    """obstacle: why Claude Code would not start with this model at all, as with a window that is too small."""
    score = _score(outcomes)
    word, reasons = _word(outcomes, score)
    if obstacle is not None:
        return Verdict("not usable", score, (obstacle, *reasons))
    return Verdict(word, score, tuple(reasons))


def _score(outcomes: Sequence[Outcome]) -> int:
    done = [outcome for outcome in outcomes if outcome.status != "skipped"]
    weight = sum(outcome.exercise.weight for outcome in done)
    return (
        round(100 * sum(outcome.exercise.weight * _WORTH[outcome.status] for outcome in done) / weight) if done else 0
    )


def _word(outcomes: Sequence[Outcome], score: int) -> tuple[Word, list[str]]:
    by_name = {outcome.exercise.name: outcome.status for outcome in outcomes}
    if not any(status in ("passed", "partly") for status in by_name.values()):
        return "not usable", ["no exercise came to an answer of any use"]
    calling = [outcome.status for outcome in outcomes if outcome.exercise.calls and outcome.status != "skipped"]
    if not calling:
        return "talk only", ["no tool call was tried"]
    if not any(_WORTH[status] for status in calling):
        return "talk only", ["no tool call works, and all that Claude Code does, it does by tool calls"]
    short = [f"{name}: {status}" for name in _NEEDED if (status := by_name.get(name, "skipped")) != "passed"]
    if not short and score >= _GOOD:
        return "good", [f"calls, their arguments and their results all work, score {score}"]
    if by_name.get("one tool call") == "passed" and by_name.get(_NEEDED[2]) != "failed" and score >= _USABLE:
        return "usable", short or [f"a score of {score} is below {_GOOD}"]
    return "talk only", [*short, "its tool calls cannot be relied on"]


def learnt(
    outcomes: Sequence[Outcome], assumed: ProfileChange, *, refused: Sequence[str] = (), window: int | None = None
) -> ProfileChange:
    """What was observed and differs from what is assumed.

    assumed: what the settings say of the model. refused: parameters that the server refused during the run, in the
    words of `convert.refusals`. window: tokens, as the server says.
    """
    found: dict[str, Any] = {_LEARNT[name]: False for name in refused if name in _LEARNT}
    others = dict.fromkeys((*(assumed.refused or ()), *(name for name in refused if name not in _LEARNT)))
    found["refused"] = tuple(others) or None
    found.setdefault("tools", _tools(outcomes))
    found.setdefault("response_format", _response_format(outcomes))
    found["context_window"] = None if window is not None else _window(outcomes)
    return ProfileChange(**{name: value for name, value in found.items() if _differs(name, value, assumed)})


def _differs(name: str, value: object, assumed: ProfileChange) -> bool:
    """By default every ability is assumed."""
    said = getattr(assumed, name)
    return value is not None and value != (True if said is None and isinstance(value, bool) else said)


def _tools(outcomes: Sequence[Outcome]) -> bool | None:
    """Whether it makes calls at all; None where that was not seen."""
    answers = [answer for outcome in outcomes if outcome.exercise.calls for answer in outcome.answers]
    asked = [answer for answer in answers if answer.whole and answer.sent.get("tools")]
    if any(answer.calls for answer in asked):
        return True
    return False if len(asked) >= _LEAST_ASKED else None


def _response_format(outcomes: Sequence[Outcome]) -> bool | None:
    """Whether a schema that was sent was kept to; None where none was sent, or the answer was cut."""
    for outcome in outcomes:
        for answer in outcome.answers:
            if answer.sent.get("response_format") and answer.finished and answer.finished.reason == "end_turn":
                return outcome.status == "passed"
    return None


def _window(outcomes: Sequence[Outcome]) -> int | None:
    errors = [answer.error for outcome in outcomes for answer in outcome.answers]
    return next((error.window for error in errors if isinstance(error, PromptTooLong) and error.window), None)
