"""Who waits, who goes next, and that everybody does."""

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from anyclaude.cluster.fair_queue import FairQueue, Waiting
from tests.unit.cluster.fleet import title, turn

NEVER = float("inf")


def put(queue: FairQueue[str], *names: str) -> list[Waiting[str]]:
    """s1 is a request of session s; in capitals, a small one."""
    placed = [queue.put(name, title(name[0].lower()) if name[0].isupper() else turn(name[0]), NEVER) for name in names]
    return [each for each in placed if each is not None]


def taken(queue: FairQueue[str], count: int = 99, *, small_only: bool = False) -> str:
    found = list[str]()
    while len(found) < count and (waiting := queue.take(0.0, small_only=small_only)):
        found.append(waiting.item)
    return " ".join(found)


def test_sessions_take_turns() -> None:
    queue = FairQueue[str]()
    put(queue, "a1", "a2", "a3", "b1", "c1", "b2")
    assert taken(queue) == "a1 b1 c1 a2 b2 a3"
    assert len(queue) == 0


def test_who_comes_back_stands_behind_those_who_wait() -> None:
    queue = FairQueue[str]()
    put(queue, "a1", "b1", "c1")
    assert taken(queue, 1) == "a1"
    put(queue, "a2")
    assert taken(queue) == "b1 c1 a2"


def test_small_ones_go_first_but_not_always() -> None:
    queue = FairQueue[str]()
    put(queue, "a1", "b1", "A1", "A2", "B1", "B2")
    assert taken(queue) == "A1 a1 B1 b1 A2 B2"


def test_what_is_kept_for_small_ones_is_given_to_nobody_else() -> None:
    queue = FairQueue[str]()
    put(queue, "a1", "A1")
    assert taken(queue, small_only=True) == "A1"
    assert taken(queue) == "a1"


def test_small_ones_find_a_place_when_all_others_are_taken() -> None:
    queue = FairQueue[str](places=2, small_places=1)
    assert len(put(queue, "a1", "b1", "c1")) == 2
    assert len(put(queue, "A1", "B1")) == 1
    assert len(queue) == 3
    assert taken(queue) == "A1 a1 b1"
    assert len(put(queue, "c1", "C1")) == 2, "places are given back"


def test_who_is_late_is_passed_over_and_told() -> None:
    queue = FairQueue[str]()
    late = queue.put("late", turn("a"), 10.0)
    queue.put("Late", title("a"), 11.0)
    put(queue, "a2")
    assert queue.late(9.9) == []
    found = queue.take(20.0)
    assert found is not None
    assert found.item == "a2"
    assert late in (told := queue.late(20.0))
    assert [each.item for each in told] == ["Late", "late"]
    assert len(queue) == 0


def test_who_leaves_makes_room() -> None:
    queue = FairQueue[str](places=2)
    first, second = put(queue, "a1", "a2")
    queue.remove(first)
    queue.remove(first)
    assert len(queue) == 1
    assert len(put(queue, "b1")) == 1
    assert taken(queue) == "a2 b1"
    queue.remove(second)
    assert len(queue) == 0


def test_who_found_no_room_after_all_goes_first_next_time() -> None:
    queue = FairQueue[str](places=3)
    put(queue, "a1", "a2", "b1")
    found = queue.take(0.0)
    assert found is not None
    put(queue, "c1")
    queue.put_back(found)
    assert len(queue) == 4, "it is let in though all places are taken"
    assert taken(queue, 1) == "a1"
    assert taken(queue) == "b1 c1 a2"
    queue.put_back(found)
    queue.remove(found)
    assert len(queue) == 0


def test_everybody_knows_how_many_go_first() -> None:
    queue = FairQueue[str]()
    waiting = put(queue, "a1", "a2", "b1", "A1", "c1", "a3")
    assert {each.item: queue.position(each) for each in waiting} == {
        "a1": 0, "b1": 1, "c1": 2, "a2": 3, "a3": 4, "A1": 0,
    }  # fmt: skip


@given(
    st.lists(st.sampled_from(["a", "b", "c", "d", "A", "B"]), min_size=1, max_size=30),
    st.lists(st.sampled_from(["a", "b", "c", "d", "A", "B"]), max_size=200),
)
def test_nobody_starves_however_many_come(waiting: list[str], later: list[str]) -> None:
    """After so many turns everybody who waited has gone, though for each turn somebody new comes."""
    queue, coming = FairQueue[str](500, 500), deque(later)
    early = {each.item for each in put(queue, *(f"{name}{n}" for n, name in enumerate(waiting)))}
    longest = max(waiting.count(name) for name in waiting)
    bound = 2 * (longest + 1) * 6
    for n in range(bound):
        if coming:
            put(queue, f"{coming.popleft()}-later{n}")
        found = queue.take(0.0)
        early -= {found.item} if found else set()
    assert not early


@given(st.lists(st.tuples(st.sampled_from(["put", "take", "small", "leave", "late"]), st.integers(0, 7)), max_size=120))
def test_it_is_bounded_and_loses_nobody(steps: list[tuple[str, int]]) -> None:
    queue, inside, now = FairQueue[int](5, 3), list[Waiting[int]](), 0.0
    for number, (verb, n) in enumerate(steps):
        now += n / 2
        if verb == "put":
            ask = title(f"s{n}") if n % 3 == 0 else turn(f"s{n}")
            placed = queue.put(number, ask, now + n)
            kind = sum(each.small == ask.small for each in inside)
            assert (placed is None) == (kind == (3 if ask.small else 5))
            inside += [placed] if placed else []
        elif verb == "leave" and inside:
            queue.remove(inside.pop(n % len(inside)))
        elif verb == "late":
            late = queue.late(now)
            assert {each.item for each in late} == {each.item for each in inside if each.deadline <= now}
            inside = [each for each in inside if each.deadline > now]
        elif verb in ("take", "small"):
            found = queue.take(now, small_only=verb == "small")
            may = [each for each in inside if each.deadline > now and (each.small or verb == "take")]
            assert (found is None) == (not may)
            inside = [each for each in inside if each is not found]
        assert len(queue) == len(inside)
