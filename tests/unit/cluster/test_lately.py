"""How a node answered of late: bounded, and only what speaks against it is a failure."""

import asyncio

import pytest

from anyclaude.cluster.happened import MOST as MOST_NODES
from anyclaude.cluster.happened import OTHERS, Happened
from anyclaude.cluster.lately import MOST, Lately, percentile
from anyclaude.cluster.members import Unwatched
from anyclaude.cluster.node import Answered, Report
from anyclaude.errors import Overloaded, UpstreamBroken, UpstreamRejected


def test_nothing_is_known_at_first() -> None:
    figures = Lately().figures()
    assert (figures.requests, figures.failures, figures.mean, figures.p95) == (0, 0, None, None)


def test_times_and_tokens_of_answers() -> None:
    lately = Lately()
    for tenths in range(1, 21):
        lately.answered(Answered(tenths / 10, 100, 90, 5))
    lately.answered(Answered(3.0, 100, None, 5))  # a node that does not say
    figures = lately.figures()
    assert (figures.requests, figures.all_answered, figures.measured) == (21, 21, 21)
    assert (figures.prompt_tokens, figures.cached_tokens) == (2000, 1800)
    assert figures.mean == pytest.approx((21.0 + 3.0) / 21)
    assert figures.p95 == 2.0


def test_what_counts_as_a_failure() -> None:
    lately = Lately()
    lately.ended(UpstreamBroken("cut"), None)
    lately.ended(UpstreamBroken("cut"), 0.5)
    lately.ended(asyncio.CancelledError(), 0.25)
    lately.ended(asyncio.CancelledError(), None)
    lately.ended(UpstreamRejected("no"), None)
    lately.ended(Overloaded("full"), None)
    figures = lately.figures()
    assert (figures.requests, figures.failures, figures.all_failed) == (3, 2, 2)
    assert (figures.measured, figures.mean) == (2, 0.375)


def test_old_requests_are_forgotten_but_counted() -> None:
    lately = Lately()
    lately.ended(UpstreamBroken("cut"), None)
    for _ in range(MOST):
        lately.answered(Answered(1.0, 10, 0))
    figures = lately.figures()
    assert (figures.requests, figures.failures) == (MOST, 0)
    assert (figures.all_answered, figures.all_failed) == (MOST, 1)


@pytest.mark.parametrize(("values", "expected"), [([], None), ([1.0], 1.0), ([1.0, 2.0], 2.0)])
def test_a_percentile_is_one_of_the_values(values: list[float], expected: float | None) -> None:
    assert percentile(values, 0.95) == expected


class Told(Unwatched):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def joined(self, node: str, report: Report) -> None:
        self.heard.append(node)


def test_changes_are_counted_and_handed_on() -> None:
    told = Told()
    happened = Happened(told)
    happened.joined("a", Report())
    happened.lost("a", "gone")
    happened.back("a")
    happened.lost("a", "gone")
    happened.restarted("a")
    happened.refused("b", "lies")
    happened.left("a", "away")
    assert told.heard == ["a"]
    assert dict(happened.counts) == {
        ("a", "joined"): 1,
        ("a", "lost"): 2,
        ("a", "back"): 1,
        ("a", "restarted"): 1,
        ("b", "refused"): 1,
        ("a", "left"): 1,
    }


def test_names_without_end_fill_nothing() -> None:
    happened = Happened(Unwatched())
    for number in range(MOST_NODES + 50):
        happened.joined(f"node {number}", Report())
    assert len(happened.counts) == MOST_NODES + 1
    assert happened.counts[OTHERS, "joined"] == 50
