"""Where sessions live, and when they stop counting."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from anyclaude.cluster.homes import Homes


def test_a_session_lives_where_it_settled_last() -> None:
    homes = Homes()
    homes.settle("s", "a", 0.0)
    homes.settle("s", "b", 1.0)
    home = homes.of("s", 2.0)
    assert home is not None
    assert home.node == "b"
    assert (homes.residents("a", 2.0), homes.residents("b", 2.0), len(homes)) == (0, 1, 1)


def test_a_silent_session_stops_counting_and_is_forgotten_much_later() -> None:
    homes = Homes(active=10, kept=100)
    homes.settle("s", "a", 0.0)
    assert homes.residents("a", 10.0) == 1
    assert homes.residents("a", 10.1) == 0
    assert homes.of("s", 100.0) is not None
    assert homes.of("s", 100.1) is None
    assert len(homes) == 0


def test_one_that_asks_again_counts_again_and_has_its_history() -> None:
    homes = Homes(active=10, kept=100)
    homes.settle("s", "a", 0.0)
    homes.computed("s", "a", 30_000)
    homes.settle("s", "a", 50.0)
    home = homes.of("s", 50.0)
    assert home is not None
    assert home.tokens == 30_000
    assert homes.residents("a", 50.0) == 1
    homes.settle("s", "b", 51.0)
    homes.computed("s", "a", 40_000)
    moved = homes.of("s", 51.0)
    assert moved is not None
    assert moved.tokens == 0, "an answer of the old home says nothing of the new one"


@given(st.lists(st.tuples(st.integers(0, 20), st.sampled_from("abc"), st.integers(0, 8)), max_size=80))
def test_counts_agree_and_are_bounded(steps: list[tuple[int, str, int]]) -> None:
    homes, now, last = Homes(active=10, kept=30, most=8), 0.0, dict[str, tuple[str, float]]()
    for session, node, seconds in steps:
        now += seconds
        homes.settle(f"s{session}", node, now)
        last.pop(f"s{session}", None)
        last[f"s{session}"] = (node, now)
        last = {name: one for name, one in last.items() if one[1] >= now - 30}
        if len(last) > 8:
            del last[next(iter(last))]
        living = Counter(node for node, at in last.values() if at >= now - 10)
        assert len(homes) == len(last)
        assert all(homes.residents(node, now) == living[node] for node in "abc")
