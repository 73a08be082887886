"""The nodes of a cluster: who may be asked, who is told of; then a cluster to which anything may happen."""

import asyncio
from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from anyclaude.cluster.breaker import State
from anyclaude.cluster.health import Expected, HealthRules
from anyclaude.cluster.member import Attempt, Member
from anyclaude.cluster.members import Members, Usable
from anyclaude.cluster.node import Report
from anyclaude.errors import RateLimited, UpstreamBroken, UpstreamUnreachable

READY = Report(model="m", context_length=32_768, instance="1")
BROKEN = UpstreamBroken("cut")
SAYS = {
    "well": READY,
    "loading": replace(READY, state="loading"),
    "draining": replace(READY, state="draining"),
    "dead": replace(READY, state="dead"),
    "lying": replace(READY, model="other"),
}


class Journal:
    """A lifecycle that writes down what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def joined(self, node: str, report: Report) -> None:
        self.lines.append(f"{node} joined")

    def refused(self, node: str, reason: str) -> None:
        self.lines.append(f"{node} refused")

    def lost(self, node: str, reason: str) -> None:
        assert reason
        self.lines.append(f"{node} lost")

    def back(self, node: str) -> None:
        self.lines.append(f"{node} back")

    def restarted(self, node: str) -> None:
        self.lines.append(f"{node} restarted")

    def left(self, node: str, reason: str) -> None:
        self.lines.append(f"{node} left")

    def of(self, node: str) -> list[str]:
        return [line.split()[1] for line in self.lines if line.split()[0] == node]


def never_late() -> float:
    return 0.0


def fail(member: Member, now: float) -> None:
    """Requests fail until its breaker is open."""
    while (attempt := member.send(10, now)) is not None:
        member.ended(attempt, BROKEN, now)


def get_ready(members: Members, node: str, now: float) -> None:
    """Two good probes, whatever it was."""
    for _ in range(2):
        members.probed(node, READY, now)


def cluster(nodes: str, journal: Journal | None = None) -> Members:
    """One node a word, at second 0: its condition."""
    members = Members(never_late, lifecycle=journal)
    for number, condition in enumerate(nodes.split()):
        node = f"{condition}{number}"
        member = members.add(node, Expected("m"))
        assert member is not None
        if condition == "gone":
            members.missed(node, "refused", 0.0)
        elif condition in ("failing", "drained", "shaky"):
            members.probed(node, READY, 0.0)
        elif condition != "new":
            members.probed(node, SAYS[condition], 0.0)
        member.drained = condition == "drained"
        if condition == "failing":
            fail(member, 0.0)
        if condition == "shaky":
            for _ in range(5):
                member.health.failed(BROKEN, 0.0)
    return members


def ids(usable: Usable) -> str:
    return " ".join(f"({member.id})" if member.id in usable.forced else member.id for member in usable.members)


@pytest.mark.parametrize(
    ("nodes", "asked", "rule"),
    [
        ("", "", "last"),
        ("well well", "well0 well1", "normal"),
        ("shaky well", "well1 shaky0", "normal"),
        ("failing well", "well1", "normal"),
        ("failing failing well well", "well2 well3", "normal"),
        ("failing failing well", "well2 (failing0)", "panic"),  # one of three at most
        ("failing failing failing well", "well3 (failing0)", "panic"),
        ("failing", "(failing0)", "panic"),
        ("failing failing", "(failing0)", "panic"),
        ("failing shaky", "shaky1", "normal"),
        ("gone gone well", "well2", "normal"),  # absent, not ejected
        ("failing gone gone well", "well3", "normal"),
        ("loading draining drained well", "well3", "normal"),
        ("lying well", "well1", "normal"),
        ("gone loading drained", "(drained2)", "last"),
        ("gone loading", "(loading1)", "last"),
        ("gone new dead", "(gone0) (new1) (dead2)", "last"),
        ("lying", "", "last"),
        ("lying gone", "(gone1)", "last"),
    ],
)
def test_who_may_be_asked(nodes: str, asked: str, rule: str) -> None:
    usable = cluster(nodes).usable(1.0)
    assert (ids(usable), usable.rule) == (asked, rule)
    assert bool(usable.reason) == (rule != "normal")


@pytest.mark.parametrize(
    ("nodes", "tried", "asked"),
    [
        ("well well", "well0", "well1"),
        ("well well", "well0 well1", ""),
        ("failing well", "well1", "(failing0)"),  # else the request is lost, and repeated there a moment later
        ("failing failing failing well", "well3", "(failing0)"),
        ("failing failing well", "well2 failing0", "(failing1)"),
        ("failing gone well", "well2 failing0", "(gone1)"),
        ("failing failing well", "well2", "(failing0)"),
        ("draining well", "well1", ""),
        ("gone loading drained", "drained2", "(loading1)"),
        ("gone loading drained", "drained2 loading1", "(gone0)"),
    ],
)
def test_who_may_be_asked_next(nodes: str, tried: str, asked: str) -> None:
    assert ids(cluster(nodes).usable(1.0, tried.split())) == asked


def test_the_log_is_told_who_is_asked_against_the_rule_and_why() -> None:
    assert cluster("failing failing well").usable(1.0).reason == (
        "requests fail at 2 of 3 nodes that are ready, more than half: failing0 "
        "will be tried again soonest and is asked all the same"
    )
    assert cluster("gone").usable(1.0).reason == "no node is ready: gone0 (unhealthy) is asked all the same"
    assert "none is left" in cluster("lying").usable(1.0).reason


def test_of_those_that_fail_the_one_nearest_to_its_return_is_asked() -> None:
    members = cluster("well well")
    for node, when in (("well0", 5.0), ("well1", 1.0)):
        member = members.get(node)
        assert member is not None
        fail(member, when)
    assert ids(members.usable(6.0)) == "(well1)"


def test_a_node_that_comes_back_gets_one_request_first() -> None:
    members = cluster("failing well")
    for node in ("failing0", "well1"):
        members.probed(node, READY, 9.5)
    assert ids(members.usable(9.5)) == "failing0 well1"
    member = members.get("failing0")
    assert member is not None
    trial = member.send(10, 9.5)
    assert trial is not None
    assert ids(members.usable(9.6)) == "well1"
    member.begun(trial, 10.0)
    assert ids(members.usable(10.0)) == "failing0 well1"


def test_a_node_that_was_away_gets_one_request_first_however_few_had_failed() -> None:
    members = cluster("well well well")
    member = members.get("well0")
    assert member is not None
    for _ in range(3):
        members.missed("well0", "refused", 1.0)
    for _ in range(2):
        members.probed("well0", READY, 2.0)
    first = member.send(1, 2.0)
    assert first is not None
    assert member.send(1, 2.0) is None
    assert ids(members.usable(2.0)) == "well1 well2"
    member.begun(first, 3.0)
    assert member.send(1, 3.0) is not None


def test_what_is_under_way_is_counted() -> None:
    member = next(iter(cluster("well")))
    first, second = member.send(1000, 1.0), member.send(20, 1.0)
    assert first is not None
    assert second is not None
    assert (member.in_flight, member.pending_tokens) == (2, 1020)
    member.begun(first, 2.0)
    assert (member.in_flight, member.pending_tokens) == (2, 20)
    for _ in range(2):
        member.ended(second, asyncio.CancelledError(), 3.0)
        assert (member.in_flight, member.pending_tokens) == (1, 0)


def test_handed_back_twice_counts_once() -> None:
    member = next(iter(cluster("well")))
    attempt = member.send(1, 1.0)
    assert attempt is not None
    for _ in range(5):
        member.ended(attempt, BROKEN, 1.0)
    assert member.breaker.state(1.0) is State.CLOSED


def test_what_comes_of_requests_is_known_of_its_health() -> None:
    member = next(iter(cluster("well")))
    for at in range(20):
        attempt = member.send(1, 1.0)
        assert attempt is not None
        member.ended(attempt, None if at % 4 else BROKEN, 1.0)
    assert member.health.reason(1.0) == "25% of its last requests failed"


@pytest.mark.parametrize("ends", [False, True])
def test_a_node_that_answers_is_not_lost_for_slow_probes(ends: bool) -> None:
    members = cluster("well")
    member = next(iter(members))
    attempt = member.send(1, 1.0)
    assert attempt is not None
    for _ in range(2):
        members.missed("well0", "no answer in 1 s", 1.0)
    if ends:
        member.ended(attempt, None, 1.0)
    else:
        member.begun(attempt, 1.0)
    members.missed("well0", "no answer in 1 s", 1.0)
    assert member.health.up


@pytest.mark.parametrize(
    ("says", "state"), [("well", State.TRIAL), ("loading", State.HALF_OPEN), ("lying", State.HALF_OPEN)]
)
def test_only_who_is_ready_and_honest_gets_a_trial(says: str, state: State) -> None:
    members = cluster("failing")
    members.probed("failing0", SAYS[says], 9.5)
    assert next(iter(members)).breaker.state(9.5) is state


def test_a_probe_that_fails_opens_a_breaker_that_is_half_open_again() -> None:
    members = cluster("failing")
    members.missed("failing0", "refused", 9.5)
    assert next(iter(members)).breaker.until(9.5) == pytest.approx(9.5 + 19)


def test_a_liar_that_is_added_again_is_refused_again() -> None:
    journal = Journal()
    members = cluster("lying", journal)
    members.remove("lying0", "taken out")
    members.add("lying0", Expected("m"))
    members.probed("lying0", SAYS["lying"], 1.0)
    assert journal.of("lying0") == ["refused", "refused"]


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        ("well", ""),
        ("drained", "it is drained"),
        ("draining", "it says that it is draining"),
        ("failing", "its last requests failed; it is tried again in 9 s"),
        ("gone", "it does not answer: refused"),
    ],
)
def test_a_member_says_why_it_is_not_asked(node: str, reason: str) -> None:
    assert next(iter(cluster(node))).reason(1.0) == reason


@pytest.mark.parametrize(
    ("probes", "told"),
    [
        ("", []),
        ("gone gone", []),
        ("gone well well", ["joined"]),
        ("loading well", ["joined"]),
        ("well gone gone", ["joined"]),
        ("well gone gone gone gone", ["joined", "lost"]),
        ("well gone gone gone well well well", ["joined", "lost", "back"]),
        ("well lying well well", ["joined", "lost", "back"]),
        ("well lying lying", ["joined", "lost"]),
        ("well dead dead", ["joined", "lost"]),
        ("well draining loading well", ["joined"]),
        ("lying lying gone lying", ["refused"]),
        ("lying well", ["refused", "joined"]),
        ("well new", ["joined", "restarted"]),
        ("well gone gone gone new new", ["joined", "lost", "restarted", "back"]),
    ],
)
def test_what_is_told_of_a_node(probes: str, told: list[str]) -> None:
    journal = Journal()
    members = cluster("new", journal)
    for probe in probes.split():
        if probe == "gone":
            members.missed("new0", "refused", 0.0)
        else:
            members.probed("new0", replace(READY, instance="2") if probe == "new" else SAYS[probe], 0.0)
    assert journal.of("new0") == told
    members.remove("new0", "taken out of the settings")
    members.remove("new0", "again")
    assert journal.of("new0") == told + ["left"] * ("joined" in told)


def test_a_node_that_has_left_is_not_heard_any_more() -> None:
    journal = Journal()
    members = cluster("well", journal)
    members.remove("well0", "gone")
    members.probed("well0", READY, 1.0)
    members.missed("well0", "refused", 1.0)
    assert journal.of("well0") == ["joined", "left"]
    assert len(members) == 0
    assert members.next_probe_at(1.0) is None


def test_there_is_room_for_so_many_and_no_more() -> None:
    members = Members(never_late, most=2)
    first = members.add("a")
    assert members.add("b")
    assert members.add("c") is None
    assert members.add("a") is first
    members.remove("b", "gone")
    assert members.add("c")


def test_an_open_breaker_is_looked_at_when_its_time_is_over_and_not_an_interval_later() -> None:
    members = Members(never_late, health=HealthRules(interval=30.0))
    member = members.add("a")
    assert member is not None
    get_ready(members, "a", 0.0)
    fail(member, 1.0)
    members.probed("a", READY, 2.0)  # the failures put it in doubt
    assert members.next_probe_at(2.0) == pytest.approx(1.0 + 9.5)
    assert members.take_probes(10.5) == (member,)
    assert members.take_probes(10.5) == (), "one at a time"


class ACluster(RuleBasedStateMachine):
    """Nodes that break in every way, a driver that probes when it is due, requests that overlap."""

    nodes = st.sampled_from("abcde")
    at = st.integers(0)

    @initialize(interval=st.sampled_from([0.5, 2.0, 30.0]), chance=st.floats(0, 1))
    def begin(self, interval: float, chance: float) -> None:
        self.now = 0.0
        self.journal = Journal()
        self.members = Members(lambda: chance, lifecycle=self.journal, health=HealthRules(interval=interval), most=4)
        self.world: dict[str, str] = {}
        self.starts = 0
        self.under_way: list[tuple[Member, Attempt, float]] = []

    def drive(self, until: float) -> None:
        """Probe when it is due, as the driver would."""
        while (due := self.members.next_probe_at(self.now)) is not None and due <= until:
            self.now = max(self.now, due)
            taken = self.members.take_probes(self.now)
            assert taken, "somebody was due"
            for member in taken:
                self.answer_probe(member.id)
        self.now = until

    def answer_probe(self, node: str) -> None:
        condition = self.world[node]
        if condition in SAYS:
            self.members.probed(node, replace(SAYS[condition], instance=str(self.starts)), self.now)
        elif condition == "failing":
            self.members.probed(node, READY, self.now)
        elif condition == "gone":
            self.members.missed(node, "refused", self.now)
        else:
            assert condition == "hanging"  # whoever probed never says what came of it

    @rule(node=nodes)
    def a_node_is_added(self, node: str) -> None:
        full = len(self.members) == 4 and node not in self.world
        assert (self.members.add(node, Expected("m")) is None) == full
        if not full:
            self.world.setdefault(node, "well")

    @rule(node=nodes)
    def a_node_is_taken_out(self, node: str) -> None:
        self.members.remove(node, "taken out")
        self.world.pop(node, None)

    @rule(node=nodes, drained=st.booleans())
    def a_node_is_drained(self, node: str, drained: bool) -> None:
        if member := self.members.get(node):
            member.drained = drained

    @precondition(lambda self: self.world)
    @rule(at=at, condition=st.sampled_from([*SAYS, "failing", "gone", "hanging"]))
    def something_happens_to_a_node(self, at: int, condition: str) -> None:
        self.world[sorted(self.world)[at % len(self.world)]] = condition

    @rule()
    def all_are_started_anew(self) -> None:
        self.starts += 1

    @rule(seconds=st.one_of(st.floats(0, 5), st.floats(0, 200)))
    def time_passes(self, seconds: float) -> None:
        self.drive(self.now + seconds)

    @rule(at=at, count=st.integers(1, 5))
    def requests_leave(self, at: int, count: int) -> None:
        for _ in range(count):
            usable = self.members.usable(self.now)
            if not usable.members:
                return
            member = usable.members[at % len(usable.members)]
            attempt = member.send(100, self.now, forced=member.id in usable.forced)
            assert attempt is not None, "who is usable takes it"
            self.under_way.append((member, attempt, self.now))

    @precondition(lambda self: self.under_way)
    @rule(at=at, count=st.integers(1, 5))
    def requests_end(self, at: int, count: int) -> None:
        for _ in range(min(count, len(self.under_way))):
            member, attempt, _ = self.under_way.pop(at % len(self.under_way))
            member.ended(attempt, self.outcome(member.id), self.now)

    def outcome(self, node: str) -> BaseException | None:
        match self.world.get(node):
            case "well":
                return None
            case "gone" | "dead":
                return UpstreamUnreachable("refused")
            case "loading":
                return RateLimited("later")
            case "draining":
                return asyncio.CancelledError()
        return BROKEN

    @invariant()
    def at_most_half_of_those_that_are_ready_are_ejected(self) -> None:
        ready = {member.id for member in self.members if member.is_ready(self.now)}
        usable = self.members.usable(self.now)
        asked = {member.id for member in usable.members}
        assert 2 * len(ready - asked) <= len(ready)
        assert not (ready and asked - ready), "others are asked only when nobody is ready"
        assert bool(usable.forced) == (usable.rule != "normal" and bool(asked))
        assert not [member.id for member in usable.members if member.health.lies]

    @invariant()
    def who_is_on_trial_has_one_request_of_it(self) -> None:
        recent = [
            (member.id, attempt.permit.term)
            for member, attempt, at in self.under_way
            if attempt.permit.trial and self.now - at < member.breaker.rules.lease and member in [*self.members]
        ]
        assert len(recent) == len(set(recent))

    @invariant()
    def each_change_is_told_once(self) -> None:
        may_follow = {
            "": {"joined", "refused"},
            "refused": {"joined", "refused"},
            "joined": {"lost", "left"},
            "lost": {"back", "left"},
            "back": {"lost", "left"},
            "left": {"joined", "refused"},
        }
        for node in "abcde":
            before = ""
            for told in self.journal.of(node):
                if told == "restarted":
                    assert before in ("joined", "lost", "back")
                    continue
                assert told in may_follow[before]
                before = told
            member = self.members.get(node)
            assert (before in ("joined", "back")) == (member is not None and member.health.up)

    def teardown(self) -> None:
        """Whatever was: two minutes after all are well each one has been asked again, and answered."""
        if not hasattr(self, "members"):
            return
        for member, attempt, _ in self.under_way:
            member.ended(attempt, asyncio.CancelledError(), self.now)
        for member in self.members:
            self.world[member.id], member.drained = "well", False
        waiting, began = set(self.world), self.now
        while waiting:
            self.drive(self.now + 1.0)
            assert self.now <= began + 120.0, waiting
            usable = self.members.usable(self.now)
            for member in usable.members:
                if member.id not in usable.forced:
                    trial = member.send(1, self.now)
                    assert trial is not None
                    member.ended(trial, None, self.now)
                    waiting.discard(member.id)


TestACluster = ACluster.TestCase
TestACluster.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
