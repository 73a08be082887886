"""What is computed ahead, where, and how rarely."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from anyclaude.cluster.node import Ask, Report
from anyclaude.cluster.prefix_index import PrefixIndex
from anyclaude.cluster.warming import GIVEN_UP, INTERVAL, MOST_PREFIXES, USED_WITHIN, Warm, Warming
from tests.unit.cluster.fleet import FakeNode, equal_nodes, fleet, title, turn


def warmed_up(uses: int = 2, prefix: str = "main") -> tuple[PrefixIndex, Warming]:
    """A prefix that was used so many times, at a."""
    index = PrefixIndex()
    warming = Warming(index)
    for n in range(uses):
        index.computed("a", turn(f"s{n}", prefix=prefix), 0.0)
        warming.used(turn(f"s{n}", prefix=prefix), 0.0)
    return index, warming


def finish(index: PrefixIndex, warming: Warming, warm: Warm, now: float) -> None:
    index.computed(warm.node, turn(None, warm.tokens, warm.prefix, warm.tokens), now)
    warming.done(warm, True, now)


def test_a_prefix_that_was_used_once_is_not_worth_it() -> None:
    _, warming = warmed_up(uses=1)
    assert warming.next(equal_nodes(), 1.0) is None


def test_a_prefix_that_was_used_twice_goes_to_every_idle_node_that_lacks_it() -> None:
    index, warming = warmed_up()
    first = warming.next(equal_nodes(), 1.0)
    assert first == Warm("b", "main", 20_000, "used 2 times")
    finish(index, warming, first, 2.0)
    second = warming.next(equal_nodes(), 1.0 + INTERVAL)
    assert second is not None
    assert second.node == "c"
    finish(index, warming, second, 40.0)
    assert warming.next(equal_nodes(), 1.0 + 2 * INTERVAL) is None


def test_the_cluster_begins_one_in_an_interval() -> None:
    _, warming = warmed_up()
    assert warming.next(equal_nodes(), 1.0)
    assert warming.next(equal_nodes(), 1.0 + INTERVAL - 0.1) is None
    assert warming.next(equal_nodes(), 1.0 + INTERVAL)


def test_a_node_warms_one_thing_at_a_time_until_it_is_given_up() -> None:
    _, warming = warmed_up()
    assert warming.next(equal_nodes("ab"), 1.0)
    assert warming.next(equal_nodes("ab"), GIVEN_UP) is None
    warming.used(turn(), GIVEN_UP)
    assert warming.next(equal_nodes("ab"), 1.0 + GIVEN_UP)


def test_busy_nodes_are_left_alone() -> None:
    _, warming = warmed_up()
    busy = (
        FakeNode("b", in_flight=1),
        FakeNode("c", report=Report(active=1)),
        FakeNode("d", report=Report(waiting=1)),
        FakeNode("f", report=Report("loading")),
    )
    assert warming.next(fleet(*busy), 1.0) is None
    found = warming.next(fleet(*busy, FakeNode("e")), 1.0)
    assert found is not None
    assert found.node == "e"


def test_the_fastest_idle_node_and_the_most_used_prefix_go_first() -> None:
    _, warming = warmed_up()
    for n in range(3):
        warming.used(turn(f"s{n}", prefix="agents"), 0.0)
    found = warming.next(fleet(FakeNode("slow", 100.0), FakeNode("fast", 2000.0)), 1.0)
    assert found is not None
    assert (found.node, found.prefix) == ("fast", "agents")


def test_a_long_prefix_of_small_requests_is_warmed() -> None:
    warming = Warming(PrefixIndex())
    for _ in range(2):
        warming.used(Ask("classifier", 16_000, 15_000, "s", small=True), 0.0)
    found = warming.next(equal_nodes(), 1.0)
    assert found is not None
    assert found.prefix == "classifier"


def test_short_prefixes_are_not_warmed() -> None:
    warming = Warming(PrefixIndex())
    for _ in range(5):
        warming.used(title(), 0.0)
        warming.used(turn(prefix="short", prefix_tokens=500), 0.0)
    assert warming.next(equal_nodes(), 1.0) is None
    assert not warming.wanted("title")


def test_what_nobody_uses_any_more_is_not_warmed() -> None:
    _, warming = warmed_up()
    assert warming.next(equal_nodes(), USED_WITHIN + 1) is None


def test_one_that_failed_is_left_alone_there_for_a_while() -> None:
    _, warming = warmed_up()
    warm = warming.next(equal_nodes("ab"), 1.0)
    assert warm is not None
    warming.done(warm, False, 2.0)
    assert warming.next(equal_nodes("ab"), 100.0) is None
    assert warming.next(equal_nodes("ab"), 2.0 + GIVEN_UP) is not None


def test_before_a_drain_its_successor_learns_what_only_it_holds() -> None:
    index, warming = warmed_up(uses=1)
    nodes: Mapping[str, FakeNode] = fleet(FakeNode("b", pending=9_000, in_flight=1), FakeNode("c", pending=50_000))
    warming.drain("a")
    assert not warming.prepared("a", nodes, 1.0)
    warm = warming.next(nodes, 1.0)
    assert warm == Warm("b", "main", 20_000, "a is to be drained"), "the one that will be free first"
    assert warming.next(nodes, 1.0 + INTERVAL) is None, "one successor is enough"
    finish(index, warming, warm, 40.0)
    assert warming.prepared("a", nodes, 41.0)
    assert warming.next(nodes, 100.0) is None


def test_a_node_that_is_drained_warms_nothing() -> None:
    _, warming = warmed_up()
    warming.drain("b")
    assert warming.next(equal_nodes("ab"), 1.0) is None
    warming.undrain("b")
    assert warming.next(equal_nodes("ab"), 1.0) is not None


@given(
    st.lists(
        st.tuples(st.integers(0, 200), st.sampled_from(["use", "next", "ok", "bad"]), st.integers(0, 20)), max_size=80
    )
)
def test_it_is_bounded_and_keeps_its_limits(steps: list[tuple[int, str, int]]) -> None:
    warming, now, running, begun = Warming(PrefixIndex()), 0.0, list[Warm](), list[float]()
    for prefix, verb, seconds in steps:
        now += seconds
        if verb == "use":
            warming.used(turn(prefix=f"p{prefix % 7}"), now)
            warming.used(turn(prefix=f"p{prefix}"), now)
        elif verb == "next":
            warm = warming.next(equal_nodes(), now)
            if warm is not None:
                assert warm.node not in {each.node for each in running} or now > GIVEN_UP
                assert not begun or now >= begun[-1] + INTERVAL
                running.append(warm)
                begun.append(now)
        elif running:
            warming.done(running.pop(0), verb == "ok", now)
        assert len(warming._used) <= MOST_PREFIXES
        assert len(warming._running) <= 3
