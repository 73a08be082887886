"""Where sessions are placed, when they stay, and when they move."""

from collections import Counter
from collections.abc import Collection

from hypothesis import given
from hypothesis import strategies as st

from anyclaude.cluster.cache_aware import CacheAware
from anyclaude.cluster.node import Answered, Ask, Report
from anyclaude.cluster.prefix_index import PrefixIndex
from tests.unit.cluster.fleet import FakeNode, equal_nodes, fleet, title, turn


class Told:
    """A strategy whose choices are carried out at once."""

    def __init__(self, **settings: float) -> None:
        self.index = PrefixIndex()
        self.strategy = CacheAware(self.index, **settings)  # type: ignore[arg-type]

    def ask(self, ask: Ask, nodes: dict[str, FakeNode], now: float = 0.0, full: Collection[str] = ()) -> str:
        choice = self.strategy.choose(ask, nodes, now, full)
        answered = Answered(1.0, ask.tokens, choice.expected_cached)
        self.index.answered(choice.node, ask, choice.expected_cached, answered, now)
        self.strategy.answered(choice.node, ask, ask.tokens - choice.expected_cached, answered, now)
        return choice.node

    def reason(self, ask: Ask, nodes: dict[str, FakeNode], now: float = 0.0) -> str:
        return self.strategy.choose(ask, nodes, now).reason


def test_new_sessions_are_placed_by_capacity() -> None:
    told, nodes = Told(), fleet(FakeNode("big", 1500.0), FakeNode("mid", 750.0), FakeNode("small", 250.0))
    placed = Counter(told.ask(turn(f"s{n}"), nodes) for n in range(20))
    assert placed["big"] > placed["mid"] > placed["small"] > 0
    assert 11 <= placed["big"] <= 14


def test_equal_nodes_get_equally_many() -> None:
    told = Told()
    placed = Counter(told.ask(turn(f"s{n}"), equal_nodes()) for n in range(30))
    assert max(placed.values()) - min(placed.values()) <= 2


def test_of_equals_the_one_that_holds_the_prefix_is_taken() -> None:
    told = Told()
    told.index.computed("b", turn("other"), 0.0)
    assert told.ask(turn("new"), equal_nodes()) == "b"
    told.index.reported("c", Report(systems=frozenset({"agents"}), instance="i"), 0.0)
    assert told.ask(turn("sub", prefix="agents"), equal_nodes()) == "c"


def test_a_node_that_is_busy_gets_no_new_session() -> None:
    nodes = fleet(FakeNode("a", pending=20_000), FakeNode("b"))
    assert Told().ask(turn(), nodes) == "b"


@given(st.lists(st.tuples(st.sampled_from("stuvw"), st.floats(0, 30)), max_size=40))
def test_sessions_do_not_move_between_equals(turns: list[tuple[str, float]]) -> None:
    told, homes, now, grown = Told(), dict[str, str](), 0.0, 30_000
    for session, seconds in turns:
        now, grown = now + seconds, grown + 500
        node = told.ask(turn(session, grown), equal_nodes(), now)
        assert homes.setdefault(session, node) == node


@given(st.floats(0, 5_000), st.floats(0, 5_000))
def test_small_differences_move_nobody(here: float, there: float) -> None:
    told = Told()
    told.ask(turn(), equal_nodes("a"))
    nodes = fleet(FakeNode("a", pending=here), FakeNode("b", pending=there))
    assert told.ask(turn(tokens=31_000), nodes, 1.0) == "a"


def test_a_session_moves_when_the_wait_at_home_is_worth_computing_it_anew() -> None:
    told = Told()
    told.ask(turn(tokens=30_000), equal_nodes("a"))
    bound = 30 + 5  # seconds to compute it elsewhere, and five more
    assert told.ask(turn(tokens=30_000), fleet(FakeNode("a", pending=1000 * bound), FakeNode("b")), 1.0) == "a"
    busy = fleet(FakeNode("a", pending=1000 * bound + 100), FakeNode("b"))
    assert told.ask(turn(tokens=30_000), busy, 2.0) == "b"
    assert told.ask(turn(tokens=30_000), equal_nodes("ab"), 3.0) == "b", "it lives there now"


def test_a_session_whose_home_is_away_is_placed_and_stays_there() -> None:
    told = Told()
    told.ask(turn(), equal_nodes("a"))
    assert told.reason(turn(), equal_nodes("bc"), 1.0) == "its home is away"
    moved = told.ask(turn(), equal_nodes("bc"), 2.0)
    assert told.ask(turn(), equal_nodes("abc"), 3.0) == moved


def test_a_session_whose_home_was_full_comes_home_next_time() -> None:
    told = Told()
    told.ask(turn(), equal_nodes("a"))
    assert told.ask(turn(tokens=32_000), equal_nodes("bc"), 1.0, full=["a"]) in "bc"
    assert told.ask(turn(tokens=34_000), equal_nodes(), 2.0) == "a"
    assert told.reason(turn(tokens=36_000), equal_nodes(), 3.0) == "at home"


def test_a_session_whose_home_is_full_for_long_stays_with_one_host() -> None:
    told, hosts = Told(), set()
    told.ask(turn(), equal_nodes("a"))
    for n in range(6):
        hosts.add(told.ask(turn(tokens=31_000 + 1000 * n), equal_nodes("bcd"), 1.0 + n, full=["a"]))
    assert len(hosts) == 1


def test_a_guest_stays_where_much_more_of_its_history_is() -> None:
    told = Told()
    told.ask(turn(tokens=30_000), equal_nodes("a"))
    host = told.ask(turn(tokens=60_000), equal_nodes("bc"), 1.0, full=["a"])  # a long result was computed there
    assert told.ask(turn(tokens=61_000), equal_nodes(), 2.0) == host
    assert told.reason(turn(tokens=62_000), equal_nodes(), 3.0) == "at home"


def test_a_degraded_node_gets_few_new_sessions_and_keeps_those_with_a_long_history() -> None:
    told = Told()
    told.ask(turn("s", 60_000), equal_nodes("a"))
    nodes = fleet(FakeNode("a", degraded=True), FakeNode("b"), FakeNode("c"))
    assert told.ask(turn("s", 61_000), nodes, 1.0) == "a", "to compute its history elsewhere would cost a minute"
    placed = Counter(told.ask(turn(f"n{n}"), nodes, 2.0) for n in range(24))
    assert 0 < placed["a"] <= 6


def test_small_requests_go_to_a_degraded_node_only_when_the_others_are_busy() -> None:
    told, sick = Told(), FakeNode("a", degraded=True)
    assert told.ask(title(), fleet(sick, FakeNode("b", pending=4_000))) == "b"
    assert told.ask(title(), fleet(sick, FakeNode("b", pending=9_000))) == "a"


def test_the_sessions_of_a_dead_node_spread() -> None:
    told = Told()
    for n in range(30):
        told.ask(turn(f"s{n}"), equal_nodes())
    placed = Counter(told.ask(turn(f"s{n}"), equal_nodes("ab"), 1.0) for n in range(30))
    assert abs(placed["a"] - placed["b"]) <= 2


def test_nobody_runs_to_the_node_that_comes_back() -> None:
    told = Told()
    for n in range(20):
        told.ask(turn(f"s{n}"), equal_nodes("ab"))
    back = Counter(told.ask(turn(f"s{n}", 31_000), equal_nodes("abc"), 1.0) for n in range(20))
    assert back["c"] == 0


def test_a_home_that_has_lost_its_session_is_none() -> None:
    told = Told()
    told.ask(turn(tokens=60_000), equal_nodes("a"))
    told.index.forget("a")
    assert told.reason(turn(tokens=60_000), fleet(FakeNode("a", pending=9_000), FakeNode("b")), 1.0) == (
        "its home has lost it"
    )


def test_a_title_says_nothing_of_what_a_home_must_hold() -> None:
    told = Told()
    told.ask(turn(tokens=60_000), equal_nodes("a"))
    told.ask(title(), equal_nodes("a"), 1.0)
    told.index.forget("a")
    told.index.computed("a", turn("other"), 1.0)  # the prefix alone: more than the title, a third of the turn
    assert told.reason(turn(tokens=60_000), equal_nodes("a"), 2.0) == "its home has lost it"


def test_how_much_a_home_must_still_hold_can_be_set() -> None:
    for rate, reason in ((0.3, "at home"), (0.7, "its home has lost it")):
        told = Told(min_hit_rate=rate)
        told.ask(turn(tokens=40_000), equal_nodes("a"))
        told.index.forget("a")
        told.index.computed("a", turn("other"), 0.0)  # the prefix alone: half of it
        assert told.reason(turn(tokens=40_000), equal_nodes("a"), 1.0) == reason


def test_a_long_result_of_a_tool_is_no_loss() -> None:
    told = Told()
    told.ask(turn(tokens=22_000), equal_nodes("ab"))
    assert told.reason(turn(tokens=90_000), equal_nodes("a"), 1.0) == "at home"


def test_a_session_that_another_proxy_served_is_found_by_what_nodes_report() -> None:
    told = Told()
    told.index.reported("c", Report(sessions={"s": 55_000}, instance="i"), 0.0)
    assert told.reason(turn(tokens=56_000), equal_nodes(), 1.0) == "holds its history"
    assert told.ask(turn(tokens=56_000), equal_nodes(), 1.0) == "c"


def test_a_short_history_is_found_too_unless_its_holder_is_busy() -> None:
    told = Told()
    told.index.reported("c", Report(systems=frozenset({"main"}), sessions={"s": 20_500}, instance="i"), 0.0)
    assert told.reason(turn(tokens=21_000), equal_nodes(), 1.0) == "holds its history"
    told = Told()
    told.index.reported("c", Report(sessions={"s": 20_500}, instance="i"), 0.0)
    busy = fleet(FakeNode("a"), FakeNode("c", pending=60_000))
    assert told.reason(turn(tokens=21_000), busy, 1.0) == "new session"


def test_titles_go_where_they_are_quick_and_move_nothing() -> None:
    told = Told()
    told.ask(turn("s"), equal_nodes("a"))
    nodes = fleet(FakeNode("a", pending=3_000), FakeNode("b"))
    assert told.ask(title("s"), nodes, 1.0) == "b"
    assert told.ask(turn("s", 31_000), nodes, 2.0) == "a"
    assert told.ask(title("unknown"), nodes, 3.0) == "b"
    assert told.reason(turn("unknown"), nodes, 4.0) == "new session"


def test_requests_of_no_session_are_placed_and_leave_no_home() -> None:
    told = Told()
    for n in range(50):
        told.ask(turn(None), equal_nodes(), float(n))
    assert len(told.strategy._homes) == 0


def test_a_session_that_is_silent_for_long_is_new() -> None:
    told = Told()
    told.ask(turn(), equal_nodes("a"))
    assert told.reason(turn(), equal_nodes("a"), 3599.0) == "at home"
    assert told.reason(turn(), equal_nodes("ab"), 3599.0 + 3601.0) == "new session"
