"""Health: rows of what is said and heard, and what the node is then."""

import asyncio
from dataclasses import replace
from itertools import pairwise
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyclaude.cluster.health import Expected, Health, HealthRules, Status
from anyclaude.cluster.node import NodeState, Report
from anyclaude.errors import InvalidRequest, Overloaded, UpstreamBroken, UpstreamTimeout

READY = Report(model="m", context_length=32_768, instance="1")
SAYS = {
    "+": READY,
    "L": replace(READY, state="loading"),
    "D": replace(READY, state="draining"),
    "X": replace(READY, state="dead"),
    "M": replace(READY, model="other"),
    "S": replace(READY, context_length=8_192),
    "W": replace(READY, context_length=65_536),
    "2": replace(READY, instance="2"),
    "q": Report(),
}
"""`-` is a probe that failed."""

BROKEN = UpstreamBroken("cut")


def after(probes: str, expected: Expected | None = None, every: float = 2.0) -> tuple[Health, float]:
    health, now = Health(expected=expected), 0.0
    for one in probes:
        if one == "-":
            health.missed("no answer in 1 s", now)
        else:
            health.probed(SAYS[one], now)
        now += every
    return health, max(0.0, now - every)


@pytest.mark.parametrize(
    ("probes", "status", "reason"),
    [
        ("", "unhealthy", "it was not asked yet"),
        ("-", "unhealthy", "it does not answer: no answer in 1 s"),
        ("+", "healthy", ""),
        ("--------+", "healthy", ""),  # the first good one is enough
        ("+-", "healthy", ""),
        ("+--", "healthy", ""),
        ("+---", "unhealthy", "it does not answer: no answer in 1 s"),
        ("+--+--+", "degraded", "57% of its last probes failed"),
        ("+---+", "unhealthy", "it does not answer: no answer in 1 s"),
        ("+---++", "degraded", "50% of its last probes failed"),
        ("+---+-+-+-", "unhealthy", "it does not answer: no answer in 1 s"),
        ("L", "loading", "it says that it is loading"),
        ("L+", "healthy", ""),
        ("+D", "draining", "it says that it is draining"),
        ("+DL+", "healthy", ""),  # told states hold at once, both ways
        ("+D---", "unhealthy", "it does not answer: no answer in 1 s"),
        ("+X", "unhealthy", "it says that it is dead; its own log says why"),
        ("+X+", "unhealthy", "it says that it is dead; its own log says why"),
        ("+X++", "healthy", ""),
        ("+q", "healthy", ""),  # who says nothing of a model says nothing wrong
        ("+W", "healthy", ""),
    ],
)
def test_what_probes_make_of_a_node(probes: str, status: Status, reason: str) -> None:
    health, now = after(probes)
    assert (health.status(now), health.reason(now)) == (status, reason)


@pytest.mark.parametrize(
    ("probes", "expected", "reason"),
    [
        ("M", Expected("m"), "it serves the model 'other' where 'm' is expected"),
        ("+M", Expected(), "it serves the model 'other' where 'm' is expected"),
        ("q+M", Expected(), "it serves the model 'other' where 'm' is expected"),
        ("S", Expected(context_length=32_768), "its context window is 8192 tokens where 32768 are expected"),
        ("+WS", Expected(), "its context window is 8192 tokens where 32768 are expected"),
        ("+M+", Expected(), "it serves the model 'other' where 'm' is expected"),
        ("+M+M+M+", Expected(), "it serves the model 'other' where 'm' is expected"),
        ("S+", Expected(context_length=32_768), ""),
        ("+M++", Expected(), ""),
        ("SW", Expected(), ""),
    ],
)
def test_a_node_that_is_not_what_it_should_be(probes: str, expected: Expected, reason: str) -> None:
    health, now = after(probes, expected)
    assert health.reason(now).split(":")[0] == reason
    assert health.up is (not reason)
    assert health.lies is (probes[-1] in "MS")


def test_a_restart_is_noticed_and_what_failed_before_it_forgotten() -> None:
    health, now = after("+")
    for _ in range(10):
        health.failed(BROKEN, now)
    assert health.status(now) == "degraded"
    assert not health.probed(SAYS["+"], now)
    assert not health.probed(SAYS["q"], now)
    assert health.status(now) == "degraded"


def test_a_restart_is_another_instance() -> None:
    health, now = after("+")
    for _ in range(10):
        health.failed(BROKEN, now)
    assert health.probed(SAYS["2"], now)
    assert not health.probed(SAYS["2"], now)
    assert health.status(now) == "healthy"


@pytest.mark.parametrize(
    ("well", "failed", "status"),
    [(0, 4, "healthy"), (0, 5, "degraded"), (9, 3, "degraded"), (10, 3, "healthy")],
)
def test_requests_that_fail_degrade_but_take_no_node_out(well: int, failed: int, status: Status) -> None:
    health, now = after("+")
    for _ in range(well):
        health.answered(now)
    for _ in range(failed):
        health.failed(UpstreamTimeout("late"), now)
    assert health.status(now) == status


def test_it_is_degraded_until_the_share_is_well_below_and_not_just_below() -> None:
    health, now = after("+")
    for _ in range(5):
        health.failed(BROKEN, now)
    shares = []
    for _ in range(60):
        health.answered(now)
        shares.append(health.status(now))
    assert shares.count("degraded") == 45  # 5 of 50 are a tenth, 5 of 51 less
    assert shares == sorted(shares)


def test_what_failed_long_ago_does_not_degrade() -> None:
    health, _ = after("+")
    for _ in range(9):
        health.failed(BROKEN, 0.0)
    health.probed(READY, 61.0)
    assert health.status(61.0) == "healthy"


@pytest.mark.parametrize("error", [InvalidRequest("400"), asyncio.CancelledError(), Overloaded("503")])
def test_what_does_not_speak_against_a_node_does_not_degrade_it(error: BaseException) -> None:
    health, now = after("+")
    for _ in range(50):
        health.failed(error, now)
    assert health.status(now) == "healthy"


def test_a_node_that_sends_content_is_not_lost_for_slow_probes() -> None:
    health, now = after("+--")
    health.gave_sign()
    health.missed("no answer in 1 s", now + 2)
    assert health.up


@pytest.mark.parametrize(("age", "trust"), [(0, 1.0), (6, 1.0), (12, 0.5), (60, 0.1)])
def test_an_old_report_counts_for_less(age: float, trust: float) -> None:
    health, now = after("+")
    assert health.trust(now + age) == pytest.approx(trust)
    assert health.status(now + age) == ("healthy" if trust == 1.0 else "degraded")


def test_there_is_nothing_to_trust_without_a_report() -> None:
    assert after("-")[0].trust(0.0) == 0.0


@pytest.mark.parametrize(
    ("probes", "then", "due"),
    [
        ("", None, 0.0),
        ("+", None, 30.0),
        ("+-", None, 1.0),  # in doubt: is it gone?
        ("+---", None, 30.0),
        ("+---+", None, 1.0),  # in doubt: is it back?
        ("+---++", None, 30.0),
        ("-", None, 30.0),
        ("L", None, 1.0),  # it may be ready at any moment, and somebody waits for it
        ("L+", None, 30.0),
        ("L---", None, 30.0),
        ("+", BROKEN, 1.0),
        ("+", Overloaded("503"), 1.0),
        ("+", InvalidRequest("400"), 30.0),
    ],
)
def test_when_the_next_probe_is_due(probes: str, then: BaseException | None, due: float) -> None:
    health = Health(HealthRules(interval=30.0, timeout=5.0))
    for one in probes:
        if one == "-":
            health.missed("", 100.0)
        else:
            health.probed(SAYS[one], 100.0)
    if then is not None:
        health.failed(then, 100.0)
    assert health.probe_at(100.0) == 100.0 + due


def test_a_probe_under_way_is_waited_for_but_not_for_ever() -> None:
    health = Health(HealthRules(timeout=5.0))
    health.probe_began(100.0)
    assert health.probe_at(101.0, soon=True) == 110.0


def test_a_dead_node_is_noticed_within_seconds_however_long_the_interval() -> None:
    health, now = Health(HealthRules(interval=30.0, timeout=5.0)), 0.0
    health.probed(READY, now)
    health.failed(UpstreamTimeout("late"), now)
    while health.up:
        now = health.probe_at(now)
        health.missed("refused", now)
    assert now == 3.0


@given(st.lists(st.integers(1, 2), max_size=60), st.integers(1, 5))
def test_probes_that_fail_now_and_then_take_no_node_out(misses: list[int], good: int) -> None:
    health, now = after("+")
    for count in misses:
        for one in "-" * count + "+" * good:
            now += 2.0
            health.missed("", now) if one == "-" else health.probed(READY, now)
            assert health.up


@given(st.integers(10, 200))
def test_the_status_of_alternating_probes_settles(times: int) -> None:
    health, now = after("+")
    seen = []
    for at in range(times):
        now += 2.0
        health.probed(READY, now) if at % 2 else health.missed("", now)
        seen.append(health.status(now))
    assert sum(before != later for before, later in pairwise(seen)) <= 1


@given(st.text("+-", max_size=60))
def test_it_takes_three_in_a_row_to_go_and_two_to_come_back(probes: str) -> None:
    health, _ = after("+")
    for at, one in enumerate(probes, 1):
        was = health.up
        health.missed("", 0.0) if one == "-" else health.probed(READY, 0.0)
        if was != health.up:
            assert probes[:at].endswith("---" if was else "++")
    assert not (health.up and probes.endswith("---"))
    assert health.up or not probes.endswith("++")


@given(st.lists(st.sampled_from([*SAYS, "-"]), max_size=60))
def test_whatever_it_said_two_honest_reports_in_a_row_bring_it_back(said: list[str]) -> None:
    health, now = after("".join(said), Expected("m", 32_768))
    assert health.status(now) in get_args(Status)
    assert bool(health.reason(now)) == (health.status(now) != "healthy")
    for _ in range(2):
        health.probed(READY, now)
    assert health.up
    assert not health.lies


@given(st.sampled_from(get_args(NodeState)), st.floats(0, 1000))
def test_asking_changes_nothing(state: NodeState, later: float) -> None:
    health = Health()
    health.probed(replace(READY, state=state), 0.0)
    first = (health.status(later), health.reason(later), health.trust(later))
    assert first == (health.status(later), health.reason(later), health.trust(later))


def test_a_node_that_answers_though_it_is_not_believed_to_be_there_is_looked_at_soon() -> None:
    health = Health(HealthRules(interval=30.0))
    health.missed("refused", 0.0)
    assert health.probe_at(0.0) == 30.0
    health.answered(1.0)
    assert not health.up
    assert health.probe_at(1.0) == 1.0
