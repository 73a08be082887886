"""Index, speeds, strategy and warming, told of the same things."""

import random

import pytest

from anyclaude.cluster.node import Answered, Ask, Report
from anyclaude.cluster.prefix_index import PrefixIndex
from anyclaude.cluster.routing import Routing, make_strategy
from tests.unit.cluster.fleet import turn


def routing(strategy: str = "cache-aware") -> Routing:
    index = PrefixIndex()
    return Routing(make_strategy(strategy, index, rng=random.Random(1)), index)


def serve(routing: Routing, ask: Ask, nodes: str, now: float, tps: float = 1000.0) -> str:
    """A whole request; gives the node."""
    choice = routing.choose(ask, nodes, now)
    assert choice is not None
    sent = routing.send(ask, choice, now)
    seconds = sent.uncached / tps
    routing.begun(sent, now + seconds)
    routing.answered(sent, Answered(seconds, ask.tokens, sent.expected, 10), now + seconds + 1)
    return choice.node


def test_twenty_turns_stay_and_are_mostly_cached() -> None:
    cluster, now, uncached, total = routing(), 0.0, 0, 0
    nodes = set()
    for n in range(20):
        ask = turn(tokens=22_000 + 1_500 * n)
        choice = cluster.choose(ask, "abc", now)
        assert choice is not None
        uncached, total = uncached + ask.tokens - choice.expected_cached, total + ask.tokens
        nodes.add(serve(cluster, ask, "abc", now))
        now += 60.0
    assert len(nodes) == 1
    assert uncached / total < 0.1


def test_it_learns_the_speed_of_a_node() -> None:
    cluster = routing("round-robin")
    serve(cluster, turn(), "a", 0.0, tps=700)
    assert cluster.standing("a").prefill_tps == pytest.approx(700)


def test_nobody_is_chosen_when_nobody_may_be_asked() -> None:
    assert routing().choose(turn(), "", 0.0) is None


def test_a_context_that_is_too_small_is_avoided_while_there_is_another() -> None:
    cluster = routing()
    cluster.reported("a", Report(context_length=8_000), 0.0)
    cluster.reported("b", Report(context_length=64_000), 0.0)
    choices = {serve(cluster, turn(f"s{n}"), "abc", float(n)) for n in range(9)}
    assert choices == {"b", "c"}
    assert serve(cluster, turn("t"), "a", 0.0) == "a"


def test_requests_under_way_count_at_once() -> None:
    cluster = routing("least-loaded")
    first = cluster.choose(turn("s"), "ab", 0.0)
    assert first is not None
    cluster.send(turn("s"), first, 0.0)
    second = cluster.choose(turn("t"), "ab", 0.0)
    assert second is not None
    assert {first.node, second.node} == {"a", "b"}


def test_one_that_fails_leaves_nothing_behind() -> None:
    cluster = routing()
    choice = cluster.choose(turn(), "a", 0.0)
    assert choice is not None
    sent = cluster.send(turn(), choice, 0.0)
    cluster.failed(sent, 1.0)
    cluster.failed(sent, 2.0)
    assert cluster.standing("a").in_flight == 0
    assert cluster.standing("a").pending_tokens(1.0) == 0
    assert cluster.index.expected("a", turn(), 1.0) == 0


def test_an_answer_of_a_node_that_left_is_not_remembered() -> None:
    cluster = routing()
    choice = cluster.choose(turn(), "a", 0.0)
    assert choice is not None
    sent = cluster.send(turn(), choice, 0.0)
    cluster.forget("a")
    cluster.begun(sent, 1.0)
    cluster.answered(sent, Answered(1.0, 30_000, 0), 2.0)
    assert cluster.standing("a").in_flight == 0
    assert cluster.index.expected("a", turn(), 2.0) == 0


def test_what_was_warmed_is_expected() -> None:
    cluster = routing()
    for n in range(2):
        serve(cluster, turn(f"s{n}"), "a", float(n))
    warm = cluster.next_warm("ab", 100.0)
    assert warm is not None
    assert warm.node == "b"
    cluster.warmed(warm, True, 120.0)
    assert cluster.index.expected("b", turn("new"), 121.0) == 20_000
    assert cluster.next_warm("ab", 200.0) is None


def test_what_could_not_be_warmed_is_not_expected() -> None:
    cluster = routing()
    for n in range(2):
        serve(cluster, turn(f"s{n}"), "a", float(n))
    warm = cluster.next_warm("ab", 100.0)
    assert warm is not None
    cluster.warmed(warm, False, 101.0)
    assert cluster.index.expected("b", turn("new"), 102.0) == 0


def test_two_proxies_find_the_same_home_by_what_nodes_report() -> None:
    one, other = routing(), routing()
    home = serve(one, turn(tokens=40_000), "abc", 0.0)
    for node in "abc":
        held = {"s": 40_000} if node == home else {}
        other.reported(node, Report(systems=frozenset({"main"} if held else ()), sessions=held, instance="i"), 50.0)
    assert serve(other, turn(tokens=42_000), "cba", 51.0) == home
