"""What is believed to be where, how it ages, and how answers and reports correct it."""

from hypothesis import given
from hypothesis import strategies as st

from anyclaude.cluster.node import Answered, Ask, Report
from anyclaude.cluster.prefix_index import MISSES, PrefixIndex
from tests.unit.cluster.fleet import title, turn


def test_a_session_is_expected_where_it_was_computed_and_its_prefix_for_everybody() -> None:
    index = PrefixIndex()
    index.computed("a", turn(tokens=30_000), 0.0)
    assert index.expected("a", turn(tokens=33_000), 1.0) == 30_000
    assert index.expected("a", turn("other", 33_000), 1.0) == 20_000
    assert index.expected("a", turn("other", 33_000, prefix="agent"), 1.0) == 0
    assert index.expected("b", turn(tokens=33_000), 1.0) == 0
    assert index.prefixes("a", 1.0) == ["main"]


def test_a_shorter_prompt_is_a_history_written_anew() -> None:
    index = PrefixIndex()
    index.computed("a", turn(tokens=150_000), 0.0)
    assert index.expected("a", turn(tokens=25_000), 1.0) == 20_000


def test_a_small_request_says_nothing_of_the_session_that_it_belongs_to() -> None:
    index = PrefixIndex()
    index.computed("a", turn(tokens=30_000), 0.0)
    index.computed("a", title(), 1.0)
    assert index.expected("a", title(), 2.0) == 700
    assert index.expected("a", turn(tokens=31_000), 2.0) == 30_000
    index.reported("b", Report(sessions={"s": 30_000}, instance="i"), 2.0)
    assert index.expected("b", title(), 2.0) == 0


def test_records_age() -> None:
    index = PrefixIndex(max_age=100)
    index.computed("a", turn(), 0.0)
    assert index.expected("a", turn(), 100.0) == 30_000
    assert index.expected("a", turn(), 100.1) == 0
    assert not index.holds("a", "main", 100.1)
    index.computed("a", turn("other", prefix="x"), 200.0)
    assert index.tokens("a") == 30_000


def test_a_node_holds_so_many_tokens_and_lets_go_of_the_oldest() -> None:
    index = PrefixIndex(max_tokens=60_000)
    for n, session in enumerate(["one", "two", "three", "two", "four"]):
        index.computed("a", turn(session, 35_000), float(n))
    held = {name: index.expected("a", turn(name, 35_000), 5.0) for name in ("one", "two", "three", "four")}
    assert held == {"one": 20_000, "two": 35_000, "three": 20_000, "four": 35_000}
    assert index.tokens("a") == 50_000


def test_what_a_node_reports_is_believed() -> None:
    index = PrefixIndex()
    index.reported("a", Report(systems=frozenset({"main"}), sessions={"s": 28_000}, instance="i"), 0.0)
    assert index.expected("a", turn(), 1.0) == 28_000
    assert index.expected("a", turn("other"), 1.0) == 20_000
    assert index.prefixes("a", 1.0) == ["main"]


def test_records_that_a_report_does_not_confirm_go_but_not_those_made_since() -> None:
    index = PrefixIndex()
    index.computed("a", turn("old"), 0.0)
    index.computed("a", turn("new"), 98.0)
    index.reported("a", Report(systems=frozenset({"main"}), sessions={"else": 1000}, instance="i"), 100.0)
    assert index.expected("a", turn("old"), 100.0) == 20_000
    assert index.expected("a", turn("new"), 100.0) == 30_000


def test_a_node_that_says_nothing_of_sessions_confirms_nothing() -> None:
    index = PrefixIndex()
    index.computed("a", turn(), 0.0)
    index.reported("a", Report(), 100.0)
    assert index.expected("a", turn(), 100.0) == 30_000


def test_a_node_that_was_started_again_holds_nothing() -> None:
    index = PrefixIndex()
    index.reported("a", Report(instance="one"), 0.0)
    index.computed("a", turn(), 1.0)
    index.reported("a", Report(instance="one"), 2.0)
    assert index.expected("a", turn(), 2.0) == 30_000
    index.reported("a", Report(instance="two"), 3.0)
    assert index.expected("a", turn(), 3.0) == index.tokens("a") == 0


def test_a_miss_shows_that_a_node_has_less_room_than_was_thought() -> None:
    index = PrefixIndex()
    for n in range(10):
        index.computed("a", turn(f"s{n}", 40_000), float(n))
    assert index.tokens("a") == 220_000
    index.answered("a", turn("s0", 41_000), 40_000, Answered(30.0, 41_000, 10), 20.0)
    assert index.expected("a", turn("s1", 41_000), 21.0) == 20_000, "used before the one that was lost"
    assert index.expected("a", turn("s9", 41_000), 21.0) == 40_000
    assert index.expected("a", turn("s0", 42_000), 21.0) == 41_000, "it has just been computed"


def test_of_a_node_that_keeps_nothing_nothing_is_expected_until_it_does() -> None:
    index = PrefixIndex()
    for n in range(MISSES + 1):
        ask = turn(tokens=30_000 + n)
        index.answered("a", ask, index.expected("a", ask, n), Answered(9.0, ask.tokens, 0), n)
    assert index.expected("a", turn(tokens=40_000), 5.0) == 0
    index.answered("a", turn(tokens=40_000), 0, Answered(1.0, 40_000, 30_000), 6.0)
    assert index.expected("a", turn(tokens=41_000), 7.0) == 40_000


def test_a_node_that_does_not_say_what_was_cached_is_believed() -> None:
    index = PrefixIndex()
    for n in range(9):
        index.answered("a", turn(tokens=30_000 + n), 20_000, Answered(9.0, 30_000), float(n))
    assert index.expected("a", turn(tokens=31_000), 9.0) == 30_008


def test_a_node_that_left_is_forgotten() -> None:
    index = PrefixIndex()
    index.computed("a", turn(), 0.0)
    index.forget("a")
    assert (index.expected("a", turn(), 0.0), index.tokens("a"), index.prefixes("a", 0.0)) == (0, 0, [])


names = st.sampled_from(["s1", "s2", "s3", "s4", "s5"])
asks = st.builds(
    Ask,
    prefix=st.sampled_from(["p", "q"]),
    tokens=st.integers(0, 9_000),
    prefix_tokens=st.integers(0, 3_000),
    session=st.none() | names,
    small=st.booleans(),
)
answers = st.builds(
    Answered, first_token=st.just(1.0), prompt=st.integers(0, 9_000), cached=st.none() | st.integers(0, 9_000)
)
reports = st.builds(
    Report,
    systems=st.frozensets(st.sampled_from(["p", "q"])),
    sessions=st.dictionaries(names, st.integers(0, 9_000)),
    instance=st.none() | st.sampled_from(["i", "j"]),
)


@given(st.lists(st.tuples(st.sampled_from("ab"), asks, answers | reports, st.integers(0, 90)), max_size=60))
def test_it_is_bounded_and_expects_from_nothing_to_all(steps: list[tuple[str, Ask, Answered | Report, int]]) -> None:
    index, now = PrefixIndex(max_age=300, max_tokens=20_000), 0.0
    for node, ask, event, seconds in steps:
        now += seconds
        expected = index.expected(node, ask, now)
        if isinstance(event, Report):
            index.reported(node, event, now)
        else:
            index.answered(node, ask, expected, event, now)
        assert 0 <= expected <= ask.tokens
        assert 0 <= index.expected(node, ask, now) <= ask.tokens
        assert 0 <= index.tokens(node) <= 20_000
        holding = index._nodes[node]
        assert holding.tokens == sum(record.cost for record in holding.records.values())
