"""How many requests go to a node, learnt from its refusals and its reports."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyclaude.cluster.places import LONGEST_RETRY, RETRY, SETTLED, Places, full_for
from anyclaude.errors import Overloaded, RateLimited, UpstreamBroken, UpstreamRejected


def room(places: Places, now: float = 0.0, *, small: bool = False) -> int:
    """How many of ours it would be sent."""
    return next(here for here in range(1000) if not places.has_room(here, small, now))


def test_a_node_that_has_never_refused_has_room() -> None:
    assert Places().has_room(500, False, 0.0)


def test_so_many_as_were_there_go_again_and_after_the_time_one_more() -> None:
    places = Places()
    places.refused(2, 10.0, 0.0)
    assert (room(places, 9.9), room(places, 10.0)) == (2, 2), "one of three is kept"
    assert (room(places, 9.9, small=True), room(places, 10.0, small=True)) == (2, 3)
    places.refused(1, 10.0, 20.0)
    assert (room(places, 29.9), room(places, 30.0)) == (1, 2)


def test_a_node_that_others_fill_is_tried_when_it_said_and_then_one_at_a_time() -> None:
    places = Places()
    places.refused(0, 5.0, 0.0)
    assert room(places, 4.9) == 0
    sent = []
    for here in range(6):
        assert room(places, 5.0) == here + 1, "the next one goes when the one before it has been let in"
        sent.append(here)
        places.taken(here + 1, False)
    places.refused(6, 5.0, 6.0)
    assert room(places, 20.0) == 5
    assert room(places, 6.0 + SETTLED) == 6


def test_one_of_several_places_is_kept_for_small_requests() -> None:
    places = Places()
    places.refused(4, 1.0, 0.0)
    assert (room(places, 20.0), room(places, 20.0, small=True)) == (3, 4)


def test_what_is_learnt_is_the_last_refusal() -> None:
    """Twenty went together to a node that takes two: each refusal tells of one fewer."""
    places = Places()
    for here in range(19, 1, -1):
        places.refused(here, 1.0, 0.0)
    assert room(places, 0.5) == 2


def test_a_node_that_says_how_much_room_it_has_is_believed() -> None:
    places = Places()
    places.reported(None, 3, 0.0)
    assert places.held is None
    places.reported(5, 3, 0.0)
    assert (room(places), room(places, small=True)) == (7, 8)
    places.refused(0, 60.0, 0.0)
    places.reported(2, 0, 1.0)
    assert room(places, 2.0) == 2
    places.reported(0, 1, 2.0)
    assert (room(places, 2.0 + RETRY - 0.1), room(places, 2.0 + RETRY)) == (1, 2)


@given(
    st.lists(st.tuples(st.sampled_from(["send", "end", "wait", "small", "report"]), st.integers(0, 9)), max_size=80),
    st.integers(0, 8),
)
def test_it_finds_out_how_many_a_node_takes_whatever_happens(steps: list[tuple[str, int]], takes: int) -> None:
    """Against a node that takes so many: never idle for good, and never overrun."""
    places, here, now, refusals = Places(), 0, 0.0, 0

    def send(small: bool) -> None:
        nonlocal here, refusals
        if here < takes:
            here += 1
            places.taken(here, small)
        else:
            places.refused(here, 2.0, now)
            refusals += 1

    for verb, n in steps:
        if verb in ("send", "small") and places.has_room(here, verb == "small", now):
            before = refusals
            send(verb == "small")
            assert refusals == before or not places.has_room(here, False, now), "who was refused waits"
        elif verb == "end":
            here = max(0, here - n)
        elif verb == "report":
            places.reported(takes - here, here, now)
        elif verb == "wait":
            now += n
    here, now = 0, now + 100.0
    while places.has_room(here, False, now) and refusals < 1000:
        before = refusals
        send(False)
        if refusals > before:
            break
    assert here >= min(takes, max(1, takes - 1)), "all but the one that is kept are used"


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (RateLimited("full"), RETRY),
        (RateLimited("full", headers={"retry-after": "7"}), 7.0),
        (RateLimited("full", headers={"retry-after": "0"}), 1.0),
        (RateLimited("full", headers={"retry-after": "9999"}), LONGEST_RETRY),
        (RateLimited("full", headers={"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}), RETRY),
        (Overloaded("memory is short", headers={"retry-after": "5"}), 5.0),
        (Overloaded("the model is loading"), None),
        (UpstreamBroken("no"), None),
        (UpstreamRejected("no", 400), None),
        (TimeoutError(), None),
    ],
)
def test_which_errors_say_that_a_node_is_full(error: BaseException, seconds: float | None) -> None:
    assert full_for(error) == seconds
