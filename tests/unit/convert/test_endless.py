"""Answers far beyond what they were allowed end; those that keep to it, by whatever count, do not."""

from collections.abc import Callable, Iterator

import pytest

from anyclaude.convert.endless import EndlessAnswer
from anyclaude.errors import UpstreamBroken
from anyclaude.wire.events import (
    Failed,
    Finished,
    ModelEvent,
    TextDelta,
    ThinkingDelta,
    ToolArgsDelta,
    ToolCallStart,
    UsageReport,
)

Piece = Callable[[str], ModelEvent]


def ended(max_tokens: int, events: Iterator[ModelEvent]) -> int:
    """How many of the events go through before the answer is ended; all of them when it is not."""
    told: list[bool] = []
    stage = EndlessAnswer(max_tokens, lambda: told.append(True))
    for number, event in enumerate(events):
        out = stage.feed([event])
        assert out[0] is event
        if len(out) > 1:
            assert out[1:] == [Finished("max_tokens")]
            assert told == [True]
            return number
    assert not told
    return number + 1


@pytest.mark.parametrize("piece", [TextDelta, ThinkingDelta, ToolArgsDelta])
def test_what_goes_far_beyond_is_ended(piece: Piece) -> None:
    at = ended(32_000, (piece(f"{number:04} ") for number in range(1_000_000)))
    assert 32_000 * 16 < at * 5 < 32_000 * 40


def test_all_kinds_count_together() -> None:
    kinds: list[ModelEvent] = [
        ThinkingDelta("x" * 1000),
        TextDelta("x" * 1000),
        ToolArgsDelta("x" * 1000),
        ToolCallStart("c", "Bash"),
    ]
    assert ended(10_000, (kinds[number % 4] for number in range(10_000))) < 500


@pytest.mark.parametrize("max_tokens", [1, 100, 32_000])
def test_the_longest_tokens_are_no_reason(max_tokens: int) -> None:
    assert ended(max_tokens, (TextDelta(" " * 16) for _ in range(max_tokens + 1000))) == max_tokens + 1000


def test_an_answer_that_has_ended_of_itself_is_left_as_it_is() -> None:
    for end in (Finished("end_turn"), Failed(UpstreamBroken("gone"))):
        events: list[ModelEvent] = [TextDelta("x" * 1_000_000), UsageReport(1, 0, 2), end]
        assert EndlessAnswer(10, lambda: None).feed(events) == events
