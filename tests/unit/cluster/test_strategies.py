"""Round-robin, least-loaded, latency-based; and what holds for every strategy."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyclaude.cluster.node import Answered, Ask, Report
from anyclaude.cluster.prefix_index import PrefixIndex
from anyclaude.cluster.routing import STRATEGIES, make_strategy
from anyclaude.cluster.strategies import LatencyBased, LeastLoaded, RoundRobin, Turns
from tests.unit.cluster.fleet import FakeNode, equal_nodes, fleet, title, turn


@pytest.mark.parametrize("name", STRATEGIES)
@given(
    nodes=st.dictionaries(
        st.sampled_from("abcdef"),
        st.tuples(st.none() | st.floats(10, 5000), st.floats(0, 1e5), st.integers(0, 9)),
        min_size=1,
    ),
    asks=st.lists(
        st.builds(
            Ask,
            prefix=st.sampled_from("pq"),
            tokens=st.integers(0, 200_000),
            prefix_tokens=st.integers(0, 20_000),
            session=st.none() | st.sampled_from(["s", "t"]),
            small=st.booleans(),
        ),
        min_size=1,
        max_size=20,
    ),
    away=st.sets(st.sampled_from("abcdef")),
    seed=st.integers(0, 9),
)
def test_only_candidates_are_chosen(
    name: str,
    nodes: dict[str, tuple[float | None, float, int]],
    asks: list[Ask],
    away: set[str],
    seed: int,
) -> None:
    index = PrefixIndex()
    strategy = make_strategy(name, index, rng=random.Random(seed))
    everybody = fleet(*(FakeNode(node, *figures) for node, figures in nodes.items()))
    some = {node: each for node, each in everybody.items() if node not in away} or everybody
    for n, ask in enumerate(asks):
        candidates = some if n % 2 else everybody
        choice = strategy.choose(ask, candidates, float(n))
        assert choice.node in candidates
        assert 0 <= choice.expected_cached <= ask.tokens
        assert choice.expected_seconds >= 0
        assert choice.reason
        answered = Answered(1.0, ask.tokens, None)
        strategy.answered(choice.node, ask, ask.tokens, answered, float(n))
        index.answered(choice.node, ask, choice.expected_cached, answered, float(n))


def test_a_strategy_that_does_not_exist_has_no_name() -> None:
    with pytest.raises(KeyError):
        make_strategy("fastest", PrefixIndex())


def test_smooth_turns_are_those_of_nginx() -> None:
    turns = Turns()
    assert "".join(turns.next({"a": 5, "b": 1, "c": 1}) for _ in range(7)) == "aabacaa"


@given(st.dictionaries(st.sampled_from("abcde"), st.integers(1, 9), min_size=1), st.integers(1, 4))
def test_turns_are_fair_in_every_round_and_never_far_from_it(weights: dict[str, int], rounds: int) -> None:
    turns, had, total = Turns(), Counter[str](), sum(weights.values())
    for n in range(1, rounds * total + 1):
        had[turns.next(weights)] += 1
        for node, weight in weights.items():
            assert abs(had[node] - n * weight / total) < len(weights)
    assert had == {node: rounds * weight for node, weight in weights.items()}


def test_turns_forget_nodes_that_come_and_go() -> None:
    turns = Turns()
    for n in range(1000):
        turns.next({f"n{n}": 1.0, "stays": 1.0})
    assert len(turns._credit) <= 21


def test_round_robin_gives_faster_nodes_more() -> None:
    strategy = RoundRobin(PrefixIndex())
    nodes = fleet(FakeNode("big", 1500.0), FakeNode("small", 500.0))
    assert Counter(strategy.choose(turn(), nodes, 0.0).node for _ in range(8)) == {"big": 6, "small": 2}


def test_least_loaded_counts_tokens_and_not_requests() -> None:
    nodes = fleet(FakeNode("one", pending=50_000, in_flight=1), FakeNode("many", pending=1_000, in_flight=9))
    assert LeastLoaded(PrefixIndex()).choose(turn(), nodes, 0.0).node == "many"


def test_least_loaded_counts_seconds_of_that_node() -> None:
    nodes = fleet(FakeNode("slow", 200.0, pending=4_000), FakeNode("fast", 2000.0, pending=10_000))
    assert LeastLoaded(PrefixIndex()).choose(turn(), nodes, 0.0).node == "fast"


def test_least_loaded_takes_equals_in_turns() -> None:
    strategy = LeastLoaded(PrefixIndex())
    assert Counter(strategy.choose(turn(), equal_nodes(), 0.0).node for _ in range(9)) == {"a": 3, "b": 3, "c": 3}


def taught(strategy: LatencyBased, node: str, first_token: float, uncached: int) -> None:
    strategy.answered(node, turn(), uncached, Answered(first_token, 30_000), 0.0)


def test_latency_counts_for_each_token_that_was_computed() -> None:
    strategy = LatencyBased(PrefixIndex(), random.Random(1))
    taught(strategy, "a", 20.0, 40_000)  # long, but much was computed
    taught(strategy, "b", 5.0, 1_000)
    chosen = Counter(strategy.choose(turn(), equal_nodes("ab"), 0.0).node for _ in range(400))
    assert chosen["a"] > 370


def test_latency_looks_at_two_and_explores_a_little() -> None:
    strategy = LatencyBased(PrefixIndex(), random.Random(1))
    for node, seconds in zip("abcd", (1.0, 2.0, 3.0, 4.0), strict=True):
        taught(strategy, node, seconds, 10_000)
    choices = [strategy.choose(turn(), equal_nodes("abcd"), 0.0) for _ in range(4000)]
    chosen = Counter(choice.node for choice in choices)
    assert 0.03 < sum(choice.reason == "exploring" for choice in choices) / 4000 < 0.07
    assert 0.45 < chosen["a"] / 4000 < 0.53, "the best of four is in half of all pairs"
    assert 0 < chosen["d"] / 4000 < 0.03, "the worst is in no pair the better, but is explored"


def test_latency_tries_a_node_that_nothing_is_known_of() -> None:
    strategy = LatencyBased(PrefixIndex(), random.Random(3))
    taught(strategy, "a", 0.1, 10_000)
    assert Counter(strategy.choose(turn(), equal_nodes("ab"), 0.0).node for _ in range(100))["b"] > 90
    taught(strategy, "b", 9.0, 10_000)
    assert Counter(strategy.choose(turn(), equal_nodes("ab"), 0.0).node for _ in range(100))["a"] > 90
    strategy.forget("b")
    assert Counter(strategy.choose(turn(), equal_nodes("ab"), 0.0).node for _ in range(100))["b"] > 90


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_degraded_node_is_chosen_seldom_though_nobody_is_at_it(name: str) -> None:
    strategy = make_strategy(name, PrefixIndex(), rng=random.Random(1))
    nodes = fleet(FakeNode("a", degraded=True), FakeNode("b"), FakeNode("c"))
    chosen = Counter(strategy.choose(turn(f"s{n}"), nodes, 0.0).node for n in range(99))
    assert chosen["a"] <= 20, "at most half of what each of the others gets"
    assert abs(chosen["b"] - chosen["c"]) <= 30


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_degraded_node_is_chosen_when_the_others_are_clearly_worse(name: str) -> None:
    strategy = make_strategy(name, PrefixIndex(), rng=random.Random(1))
    nodes = fleet(
        FakeNode("a", degraded=True), FakeNode("b", 50.0, pending=20_000), FakeNode("c", 50.0, pending=20_000)
    )
    for node, seconds in (("a", 1.0), ("b", 400.0), ("c", 400.0)):
        strategy.answered(node, turn(), 20_000, Answered(seconds, 20_000), 0.0)
    chosen = Counter(strategy.choose(turn(f"s{n}"), nodes, 0.0).node for n in range(99))
    assert chosen["a"] >= 60


def test_a_degraded_node_that_is_alone_is_chosen() -> None:
    for name in STRATEGIES:
        strategy = make_strategy(name, PrefixIndex(), rng=random.Random(1))
        assert strategy.choose(turn(), fleet(FakeNode("a", degraded=True)), 0.0).node == "a"


def test_what_is_expected_is_told_with_the_choice() -> None:
    index = PrefixIndex()
    index.computed("a", turn(tokens=30_000), 0.0)
    node = FakeNode("a", None, pending=1_000, report=Report(prefill_tps=500.0))
    choice = RoundRobin(index).choose(turn(tokens=34_000), fleet(node), 1.0)
    assert (choice.expected_cached, choice.expected_seconds) == (30_000, 10.0)


def test_one_node_is_enough_for_a_title() -> None:
    for name in STRATEGIES:
        assert make_strategy(name, PrefixIndex()).choose(title(), equal_nodes("a"), 0.0).node == "a"
