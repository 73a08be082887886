"""The breaker: rows that read as a table, then whatever may happen in whatever order."""

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from anyclaude.cluster.breaker import TABLE, Breaker, BreakerRules, Event, Permit, State, Window, counts
from anyclaude.errors import (
    InternalError,
    InvalidRequest,
    NotOffered,
    Overloaded,
    PromptTooLong,
    RateLimited,
    UpstreamBroken,
    UpstreamError,
    UpstreamRefusedUs,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnreachable,
)

BROKEN = UpstreamBroken("cut")


def never_late() -> float:
    return 0.0


def breaker(chance: Callable[[], float] = never_late, **rules: float) -> Breaker:
    return Breaker(chance, BreakerRules(**rules))  # type: ignore[arg-type]


def ask(one: Breaker, error: BaseException | None, now: float) -> bool:
    """A request from its beginning to its end; whether it was let go."""
    permit = one.permit(now)
    if permit is not None:
        one.ended(permit, error, now)
    return permit is not None


def open_at(one: Breaker, now: float) -> None:
    """Fail until it opens, from closed or from a trial."""
    if one.state(now) is State.HALF_OPEN:
        one.probed(now)
    while ask(one, BROKEN, now):
        pass
    assert one.state(now) is State.OPEN


@pytest.mark.parametrize(
    ("error", "against_the_node"),
    [
        (UpstreamUnreachable("refused"), True),
        (UpstreamBroken("500, or cut"), True),
        (UpstreamTimeout("no first byte"), True),
        (UpstreamError("unsaid"), True),
        (RateLimited("429"), False),
        (Overloaded("503: loading, draining, full"), False),
        (UpstreamRejected("422", 422), False),
        (UpstreamRefusedUs("401"), False),
        (NotOffered("404"), False),
        (InvalidRequest("400"), False),
        (PromptTooLong(2, 1), False),
        (InternalError("ours"), False),
        (asyncio.CancelledError(), False),
        (OSError("not one of ours"), False),
    ],
)
def test_what_counts(error: BaseException, against_the_node: bool) -> None:
    assert counts(error) is against_the_node


F, O, C = BROKEN, None, RateLimited("429")  # failed, ok, of no account  # noqa: E741


@pytest.mark.parametrize(
    ("outcomes", "state"),
    [
        ([F, F], State.CLOSED),
        ([F, F, F], State.OPEN),
        ([F, F, O, F, F], State.CLOSED),
        ([F, F, C, F], State.OPEN),  # says nothing, so it does not break the row either
        ([C] * 50, State.CLOSED),
        ([F, O] * 4 + [F], State.CLOSED),  # nine are too few for a share
        ([O, F] * 5, State.OPEN),
        ([O, O, F] * 10, State.CLOSED),
    ],
)
def test_when_it_opens(outcomes: list[BaseException | None], state: State) -> None:
    one = breaker()
    for error in outcomes:
        assert ask(one, error, 0.0)
    assert one.state(0.0) is state


def test_the_share_is_that_of_the_last_minute() -> None:
    one = breaker(failures=99)
    for at in range(9):
        ask(one, BROKEN, float(at))
    ask(one, BROKEN, 65.0)
    assert one.state(65.0) is State.CLOSED


def test_the_way_back() -> None:
    one = breaker()
    open_at(one, 0.0)
    assert not one.admits(9.4)
    assert one.state(9.6) is State.HALF_OPEN
    assert not one.admits(9.6), "/health comes first"
    one.probed(9.6)
    assert one.state(9.6) is State.TRIAL
    trial = one.permit(9.6)
    assert trial is not None
    assert one.permit(9.7) is None, "one at a time"
    one.begun(trial, 10.0)
    assert one.state(10.0) is State.CLOSED
    assert one.admits(10.0), "its answer may take minutes"


@pytest.mark.parametrize(
    ("ended", "state", "admits"),
    [
        (BROKEN, State.OPEN, False),
        (None, State.CLOSED, True),
        (RateLimited("429"), State.TRIAL, True),
        (asyncio.CancelledError(), State.TRIAL, True),
    ],
)
def test_what_ends_a_trial(ended: BaseException | None, state: State, admits: bool) -> None:
    one = breaker()
    open_at(one, 0.0)
    one.state(10.0)
    one.probed(10.0)
    assert ask(one, ended, 10.0)
    assert (one.state(10.0), one.admits(10.0)) == (state, admits)


def test_a_failure_opens_it_for_twice_as_long_up_to_two_minutes() -> None:
    one, now, lengths = breaker(), 0.0, []
    for _ in range(6):
        open_at(one, now)
        until = one.until(now)
        assert until is not None
        lengths.append(until - now)
        now = until
    assert lengths == pytest.approx([9.5, 19, 38, 76, 114, 114])


def test_a_failed_look_at_health_opens_it_again_too() -> None:
    one = breaker()
    open_at(one, 0.0)
    one.missed(9.5)
    assert one.until(9.5) == pytest.approx(9.5 + 19)


@pytest.mark.parametrize(("answers", "next_time"), [(1, 19.0), (4, 19.0), (5, 9.5)])
def test_five_answers_in_a_row_and_it_opens_shortly_again(answers: int, next_time: float) -> None:
    one = breaker()
    open_at(one, 0.0)
    one.probed(9.5)
    for _ in range(answers):
        assert ask(one, None, 10.0)
    open_at(one, 10.0)
    assert one.until(10.0) == pytest.approx(10 + next_time)


def test_a_failure_among_the_answers_is_no_proof() -> None:
    one = breaker()
    open_at(one, 0.0)
    one.probed(9.5)
    for error in (None, None, None, None, BROKEN, None):
        ask(one, error, 10.0)
    open_at(one, 10.0)
    assert one.until(10.0) == pytest.approx(10 + 19)


def test_what_opened_it_does_not_open_it_again() -> None:
    one = breaker()
    for error in [None, BROKEN] * 5:
        ask(one, error, 0.0)
    one.probed(9.5)
    trial = one.permit(9.5)
    assert trial is not None
    one.begun(trial, 9.5)
    for _ in range(2):
        ask(one, BROKEN, 10.0)
        assert one.state(10.0) is State.CLOSED


def test_what_was_sent_before_says_nothing_after() -> None:
    one = breaker()
    permits = [one.permit(0.0) for _ in range(10)]
    for permit in permits[:9]:
        assert permit is not None
        one.ended(permit, BROKEN, 1.0)
    assert one.until(1.0) == pytest.approx(1 + 9.5), "nine that died together are one reason"
    one.probed(11.0)
    assert permits[9] is not None
    one.ended(permits[9], None, 11.0)
    assert one.state(11.0) is State.TRIAL, "and a late answer is no proof"


def test_a_trial_that_another_one_ended_says_nothing_and_keeps_nobody_out() -> None:
    one = breaker()
    open_at(one, 0.0)
    one.probed(10.0)
    first, second = one.permit(10.0), one.permit(75.0)
    assert first is not None
    assert second is not None
    one.ended(first, BROKEN, 80.0)
    one.probed(100.0)
    one.begun(second, 100.0)
    assert one.state(100.0) is State.TRIAL
    assert one.admits(100.0)


def test_the_end_of_a_trial_that_began_well_counts_like_that_of_any_request() -> None:
    one = breaker(failures=1)
    open_at(one, 0.0)
    one.probed(9.5)
    trial = one.permit(9.5)
    assert trial is not None
    one.begun(trial, 10.0)
    one.ended(trial, BROKEN, 300.0)
    assert one.state(300.0) is State.OPEN


def test_a_trial_that_is_never_handed_back_does_not_keep_the_node_out() -> None:
    one = breaker()
    open_at(one, 0.0)
    one.probed(9.5)
    lost = one.permit(9.5)
    assert lost is not None
    assert one.permit(69.4) is None
    second = one.permit(69.6)
    assert second is not None
    one.ended(lost, asyncio.CancelledError(), 70.0)
    assert one.permit(70.0) is None, "the second one is still under way"
    one.ended(second, None, 71.0)
    assert one.state(71.0) is State.CLOSED


def test_who_is_forced_through_gets_a_permit_that_proves_nothing() -> None:
    one = breaker()
    open_at(one, 0.0)
    for error in (BROKEN, None, None, None, None, None):
        permit = one.permit(1.0, forced=True)
        assert permit is not None
        one.begun(permit, 1.0)
        one.ended(permit, error, 1.0)
    assert one.until(1.0) == pytest.approx(9.5)
    one.missed(9.5)
    assert one.until(9.5) == pytest.approx(9.5 + 19)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 30)), max_size=300))
def test_a_window_is_bounded_and_a_share(outcomes: list[tuple[bool, float]]) -> None:
    window, now = Window(60.0, most=20), 0.0
    seen: list[tuple[float, bool]] = []
    for well, pause in outcomes:
        now += pause
        window.add(well, now)
        seen = [(at, one) for at, one in [*seen, (now, well)] if now - at <= 60.0][-20:]
    expected = sum(not one for _, one in seen) / len(seen) if len(seen) >= 5 else 0.0
    assert window.share(5, now) == pytest.approx(expected)


def test_the_table_leads_out_of_each_state_and_back() -> None:
    assert set(TABLE) == set(State)
    assert all(TABLE[state] for state in State)
    assert {event for row in TABLE.values() for event in row} == set(Event)


class AnythingMayHappen(RuleBasedStateMachine):
    """Requests that overlap, probes and the clock, in any order."""

    @initialize(chances=st.lists(st.floats(0, 1), min_size=1, max_size=5))
    def begin(self, chances: list[float]) -> None:
        self.now = 0.0
        self.draws = 0
        self.chances = chances
        self.one = Breaker(self.chance)
        self.under_way: list[Permit] = []
        self.trials: list[tuple[Permit, float]] = []
        self.last = State.CLOSED

    def chance(self) -> float:
        self.draws += 1
        return self.chances[self.draws % len(self.chances)]

    @rule(seconds=st.one_of(st.floats(0, 3), st.floats(0, 130)))
    def time_passes(self, seconds: float) -> None:
        before = self.one.state(self.now)
        until = self.one.until(self.now)
        self.now += seconds
        after = self.one.state(self.now)
        if before is State.OPEN:
            assert until is not None
            assert (after is State.HALF_OPEN) == (self.now >= until)
        else:
            assert after is before, "time alone opens and closes nothing"

    @rule()
    def a_request_leaves(self) -> None:
        state, admits = self.one.state(self.now), self.one.admits(self.now)
        permit = self.one.permit(self.now)
        assert (permit is not None) == admits
        if permit is None:
            assert state is not State.CLOSED
            return
        assert state in (State.CLOSED, State.TRIAL)
        self.under_way.append(permit)
        if permit.trial:
            lease = self.one.rules.lease
            assert not [one for one, at in self.trials if one in self.under_way and self.now - at < lease]
            self.trials = [(permit, self.now)]

    @precondition(lambda self: self.under_way)
    @rule(at=st.integers(0), error=st.sampled_from([None, BROKEN, UpstreamTimeout("late"), RateLimited("429")]))
    def a_request_ends(self, at: int, error: BaseException | None) -> None:
        self.one.ended(self.under_way.pop(at % len(self.under_way)), error, self.now)

    @precondition(lambda self: self.under_way)
    @rule(at=st.integers(0))
    def an_answer_begins(self, at: int) -> None:
        self.one.begun(self.under_way[at % len(self.under_way)], self.now)

    @rule(well=st.booleans())
    def a_probe_ends(self, well: bool) -> None:
        (self.one.probed if well else self.one.missed)(self.now)

    @invariant()
    def each_step_is_in_the_table(self) -> None:
        state = self.one.state(self.now)
        if state is not self.last:
            assert state in TABLE[self.last].values()
        if state is not State.TRIAL:
            self.trials = []
        if state is State.OPEN and self.last is not State.OPEN:
            self.check_length()
        self.last = state

    def check_length(self) -> None:
        """Of one of the doublings, less the jitter."""
        until = self.one.until(self.now)
        assert until is not None
        stays = until - self.now
        assert any(0.8 * long - 1e-6 <= stays <= 0.95 * long + 1e-6 for long in (10, 20, 40, 80, 120))

    def teardown(self) -> None:
        """Whatever was, once the node is well it is asked again within two minutes, with the probes a second apart."""
        if not hasattr(self, "one"):
            return
        deadline = self.now + 120.0
        while not self.one.admits(self.now):
            self.now += 1.0
            assert self.now <= deadline
            self.one.probed(self.now)
        assert ask(self.one, None, self.now)
        assert self.one.state(self.now) is State.CLOSED


TestAnythingMayHappen = AnythingMayHappen.TestCase
TestAnythingMayHappen.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
