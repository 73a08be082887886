"""How speeds are learnt from whole spells, and what is left to compute."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyclaude.cluster.estimates import UNKNOWN_TPS, Sent, Standing, fleet_tps, seconds_to_first, speed
from anyclaude.cluster.node import Answered, Ask, Report
from tests.unit.cluster.fleet import FakeNode


def ask(tokens: int) -> Ask:
    return Ask("p", tokens)


def answer(standing: Standing, sent: Sent, began: float, cached: int | None = 0) -> None:
    """The first token comes at `began`, the end a second later."""
    standing.begun(sent, began)
    standing.answered(sent, Answered(began - sent.at, sent.ask.tokens, cached, 61), began + 1)


def test_one_request_teaches_the_speed() -> None:
    node = Standing("a")
    answer(node, node.sent(ask(10_000), 0, 100.0), 110.0)
    assert node.prefill_tps == pytest.approx(1000)
    assert node.decode_tps == pytest.approx(60)
    assert node.in_flight == 0


def test_a_queue_does_not_look_like_slowness() -> None:
    node = Standing("a")
    first, second, third = (node.sent(ask(10_000), 0, 0.0) for _ in range(3))
    node.begun(first, 10.0)
    node.begun(second, 20.0)
    node.begun(third, 30.0)
    for sent in (third, first, second):
        node.answered(sent, Answered(1.0, 10_000, 0), 40.0)
    assert node.prefill_tps == pytest.approx(1000)


@given(st.permutations(range(4)), st.lists(st.integers(500, 20_000), min_size=4, max_size=4))
def test_the_speed_of_a_spell_does_not_depend_on_the_order_in_it(order: list[int], sizes: list[int]) -> None:
    node = Standing("a")
    sent = [node.sent(ask(size), 0, 0.0) for size in sizes]
    now = 0.0
    for n in order:
        now += min(sizes[n] / 800, 14.0 + sizes[n] / 8000)  # within the longest spell
    done = 0.0
    for n in order:
        done += sizes[n] / sum(sizes) * now
        node.begun(sent[n], done)
    for each in sent:
        node.answered(each, Answered(1.0, each.ask.tokens, 0), now)
    if now < 60:
        assert node.prefill_tps == pytest.approx(sum(sizes) / now)


def test_cached_tokens_are_not_counted_as_computed() -> None:
    node = Standing("a")
    answer(node, node.sent(ask(50_000), 0, 0.0), 4.0, cached=46_000)
    assert node.prefill_tps == pytest.approx(1000)


def test_what_a_node_does_not_say_is_taken_as_expected() -> None:
    node = Standing("a")
    answer(node, node.sent(ask(50_000), 46_000, 0.0), 4.0, cached=None)
    assert node.prefill_tps == pytest.approx(1000)


def test_a_refusal_spoils_no_spell_and_leaves_nothing_to_compute() -> None:
    node = Standing("a")
    first, second = node.sent(ask(10_000), 0, 0.0), node.sent(ask(30_000), 0, 0.0)
    node.refused(second, 2.0, 0.1)
    assert (node.in_flight, node.has_room(False, 0.2)) == (1, False)
    assert node.pending_tokens(0.1) == pytest.approx(10_000)
    answer(node, first, 10.0)
    assert node.prefill_tps == pytest.approx(1000)
    assert node.has_room(False, 11.0)


def test_who_is_let_in_shows_that_there_is_room() -> None:
    node = Standing("a")
    node.refused(node.sent(ask(100), 0, 0.0), 2.0, 0.0)
    assert not node.has_room(False, 1.0)
    tried = node.sent(ask(100), 0, 2.0)
    assert not node.has_room(False, 2.0), "one at a time"
    node.taken(tried)
    assert node.has_room(False, 2.0)


def test_short_prompts_teach_nothing_of_the_speed() -> None:
    node = Standing("a")
    answer(node, node.sent(ask(300), 0, 0.0), 3.0)
    assert node.prefill_tps is None


def test_spells_with_failures_or_with_the_prompts_of_others_teach_nothing() -> None:
    node = Standing("a")
    good, bad = node.sent(ask(9000), 0, 0.0), node.sent(ask(9000), 0, 0.0)
    node.failed(bad, 1.0)
    answer(node, good, 10.0)
    assert node.prefill_tps is None
    node.reported(Report(queued_tokens=40_000, instance="i"), 20.0)
    answer(node, node.sent(ask(9000), 0, 20.0), 60.0)
    assert node.prefill_tps is None


def test_others_that_come_in_the_middle_of_a_spell_spoil_it() -> None:
    node = Standing("a")
    sent = node.sent(ask(9000), 0, 0.0)
    node.reported(Report(queued_tokens=9_000, instance="i"), 1.0)
    node.reported(Report(queued_tokens=40_000, instance="i"), 2.0)
    node.reported(Report(queued_tokens=5_000, instance="i"), 3.0)
    answer(node, sent, 60.0)
    assert node.prefill_tps is None


def test_one_odd_sample_moves_the_speed_little() -> None:
    node = Standing("a")
    answer(node, node.sent(ask(10_000), 0, 0.0), 10.0)
    answer(node, node.sent(ask(10_000), 0, 20.0), 20.001)
    assert node.prefill_tps is not None
    assert 1000 < node.prefill_tps < 2000


def test_a_node_that_is_never_idle_is_learnt_all_the_same() -> None:
    node = Standing("a")
    before = node.sent(ask(20_000), 0, 0.0)
    for n in range(1, 12):
        after = node.sent(ask(20_000), 0, n * 20.0 - 1)
        answer(node, before, n * 20.0)
        before = after
    assert node.prefill_tps == pytest.approx(1000, rel=0.1)


def test_what_is_left_to_compute_falls_with_time_and_with_answers() -> None:
    node = Standing("a", prefill_tps=1000.0)
    one = node.sent(ask(10_000), 0, 0.0)
    two = node.sent(ask(10_000), 4_000, 0.0)
    assert node.pending_tokens(0.0) == 16_000
    assert node.pending_tokens(5.0) == 11_000
    assert node.pending_tokens(100.0) == 4_000  # late is not nearly done
    node.begun(one, 10.0)
    assert node.pending_tokens(10.0) == 6_000
    node.failed(two, 11.0)
    assert node.pending_tokens(11.0) == 0


def test_a_node_says_itself_what_it_has_to_compute_for_everybody() -> None:
    node = Standing("a", prefill_tps=1000.0)
    node.reported(Report(queued_tokens=30_000, instance="i"), 0.0, rtt=0.02)
    assert node.pending_tokens(10.0) == 20_000
    assert node.rtt == 0.02
    node.reported(Report(), 10.0)
    assert node.pending_tokens(10.0) == 20_000, "one without an instance says nothing of its queue"


@given(
    st.lists(st.tuples(st.sampled_from(["send", "begin", "answer", "fail", "report"]), st.integers(0, 9)), max_size=60)
)
def test_counts_never_fall_below_nothing(steps: list[tuple[str, int]]) -> None:
    node, sent, now = Standing("a"), list[Sent](), 0.0
    for verb, n in steps:
        now += n / 4
        if verb == "send":
            sent.append(node.sent(ask(1000 * n), 500 * n, now))
        elif verb == "report":
            node.reported(Report(queued_tokens=700 * n, instance="i"), now)
        elif sent:
            one = sent[n % len(sent)]
            if verb == "begin":
                node.begun(one, now)
            elif verb == "answer":
                node.answered(one, Answered(now - one.at, one.ask.tokens, 400), now)
            else:
                node.failed(one, now)
        assert node.in_flight == sum(not each.over for each in sent)
        assert node.pending_tokens(now) >= 0
        assert node.prefill_tps is None or node.prefill_tps > 0
    for each in sent:
        node.failed(each, now)
    assert node.in_flight == node._waiting_tokens == 0


def test_before_anything_is_learnt_the_report_counts_then_the_rest_of_the_fleet() -> None:
    said = FakeNode("a", None, report=Report(prefill_tps=300.0))
    assert fleet_tps([FakeNode("b", 900.0), said, FakeNode("c", None)]) == 600
    assert fleet_tps([FakeNode("c", None)]) == UNKNOWN_TPS
    assert (speed(said, 600), speed(FakeNode("c", None), 600), speed(FakeNode("b", 900.0), 600)) == (300, 600, 900)


def test_the_first_token_waits_for_what_waits_and_for_the_way() -> None:
    assert seconds_to_first(FakeNode("a", 1000.0, pending=3000, rtt=0.1), 2000, 0.0, 1.0) == pytest.approx(5.1)
