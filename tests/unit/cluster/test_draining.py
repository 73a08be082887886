"""Nodes that a person takes out: not before others hold what only they held, and not later than promised."""

from collections.abc import Sequence

from anyclaude.cluster.draining import LONGEST, Draining
from anyclaude.cluster.members import Members
from anyclaude.cluster.node import Ask, Report
from anyclaude.cluster.prefix_index import PrefixIndex
from anyclaude.cluster.routing import Routing
from anyclaude.cluster.strategies import LeastLoaded
from tests.unit.cluster.fleet import turn


class Cluster:
    """Nodes that are ready at 0."""

    def __init__(self, names: Sequence[str] = "abc") -> None:
        self.members = Members(lambda: 0.5)
        index = PrefixIndex()
        self.routing = Routing(LeastLoaded(index), index)
        self.draining = Draining(self.members, self.routing)
        for name in names:
            self.members.add(name)
            self.members.probed(name, Report(instance=name), 0.0)
            self.routing.reported(name, Report(instance=name), 0.0)

    def used_at(self, node: str, ask: Ask) -> None:
        self.routing.warming.used(ask, 0.0)
        self.routing.index.computed(node, ask, 0.0)

    def drained(self) -> list[str]:
        return [member.id for member in self.members if member.drained]

    def report_again(self, now: float) -> None:
        for member in self.members:
            self.members.probed(member.id, Report(instance=member.id), now)


def test_who_holds_nothing_of_its_own_is_out_at_once() -> None:
    cluster = Cluster()
    cluster.draining.follow({"a"}, 1.0)
    assert cluster.drained() == ["a"]
    assert [member.id for member in cluster.members.usable(1.0).members] == ["b", "c"]


def test_its_successor_is_warmed_first() -> None:
    cluster = Cluster()
    cluster.used_at("a", turn())
    cluster.draining.follow({"a"}, 1.0)
    assert cluster.drained() == []
    warm = cluster.routing.next_warm("abc", 1.0)
    assert warm is not None
    assert (warm.node in "bc", warm.reason) == (True, "a is to be drained")
    cluster.routing.warmed(warm, True, 2.0)
    cluster.draining.follow({"a"}, 3.0)
    assert cluster.drained() == ["a"]


def test_it_does_not_wait_for_ever() -> None:
    cluster = Cluster()
    cluster.used_at("a", turn())
    cluster.draining.follow({"a"}, 1.0)
    cluster.report_again(LONGEST)
    cluster.draining.follow({"a"}, LONGEST + 0.9)
    assert cluster.drained() == []
    cluster.draining.follow({"a"}, LONGEST + 1.0)
    assert cluster.drained() == ["a"]


def test_where_nobody_could_take_over_nothing_is_waited_for() -> None:
    cluster = Cluster("a")
    cluster.used_at("a", turn())
    cluster.draining.follow({"a"}, 1.0)
    assert cluster.drained() == ["a"]
    usable = cluster.members.usable(1.0)
    assert ([member.id for member in usable.members], usable.rule) == (["a"], "last")


def test_who_is_let_in_again_is_asked_and_computes_ahead_again() -> None:
    cluster = Cluster()
    cluster.draining.follow({"a", "b"}, 1.0)
    cluster.draining.follow({"b"}, 2.0)
    assert cluster.drained() == ["b"]
    for session in ("s", "t"):
        cluster.used_at("c", turn(session))
    warm = cluster.routing.next_warm("abc", 3.0)
    assert warm is not None
    assert warm.node == "a"


def test_who_is_let_in_before_it_was_out_was_never_out() -> None:
    cluster = Cluster()
    cluster.used_at("a", turn())
    cluster.draining.follow({"a"}, 1.0)
    cluster.draining.follow((), 2.0)
    cluster.draining.follow((), LONGEST * 2)
    assert cluster.drained() == []
