"""Who is worth asking after a failure, who rests, and when the client is told to stop."""

import pytest

from anyclaude.backends.fallback import Budget, Resting, falls_back
from anyclaude.errors import (
    AnyclaudeError,
    InternalError,
    Overloaded,
    PromptTooLong,
    RateLimited,
    UpstreamBroken,
    UpstreamRefusedUs,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnreachable,
)


@pytest.mark.parametrize(
    ("error", "worth"),
    [
        (UpstreamUnreachable("x"), True),
        (UpstreamBroken("x"), True),
        (UpstreamTimeout("x"), True),
        (RateLimited("x"), True),
        (Overloaded("x"), True),
        (UpstreamRejected("no credit", 402), True),
        (UpstreamRejected("no such model", 404), True),
        (UpstreamRejected("bad request", 400), False),
        (UpstreamRefusedUs("key"), False),
        (PromptTooLong(2, 1), False),
        (InternalError("x"), False),
    ],
)
def test_what_is_worth_asking_somebody_else(error: AnyclaudeError, worth: bool) -> None:
    assert falls_back(error) is worth


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("asked", "rest"), [("", 15), ("3", 3), ("999999", 120), ("Wed, 21 Oct", 15), ("-5", 15)])
def test_one_that_failed_rests_for_as_long_as_it_asked(asked: str, rest: float) -> None:
    clock = _Clock()
    resting = Resting(clock)
    resting.failed("a", RateLimited("x", headers={"retry-after": asked}))
    assert resting.last(["a", "b", "c"]) == ["b", "c", "a"]
    clock.now = rest - 0.1
    assert resting.last(["a", "b"]) == ["b", "a"]
    clock.now = rest
    assert resting.last(["a", "b"]) == ["a", "b"]


def test_one_that_answers_rests_no_longer() -> None:
    resting = Resting(_Clock())
    resting.failed("a", Overloaded("x"))
    resting.answered("a")
    assert resting.last(["a", "b"]) == ["a", "b"]


def test_a_question_has_a_budget_of_its_own() -> None:
    budget = Budget(3)
    one, other = {"messages": ["one"]}, {"messages": ["other"]}
    assert [budget.spend(one) for _ in range(3)] == [True, True, False]
    assert budget.spend({**one, "stream": True}) is False
    assert budget.spend(other) is True


def test_old_questions_are_forgotten() -> None:
    budget = Budget(2)
    assert budget.spend({"messages": 0})
    for number in range(1, 100):
        budget.spend({"messages": number})
    assert budget.spend({"messages": 0})
