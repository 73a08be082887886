"""Where the time of a request went."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyclaude.trace.waterfall import MEANING, spans
from tests.support.records import record

MOMENTS = {"accepted": 40.0, "first_event": 900.0, "first_token": 950.0, "end": 2000.0}
SENT = [{"at_ms": 10.0, "body": {}}]


def told(**parts: Any) -> dict[str, float]:
    found = spans(record(**parts))
    return {
        name: round(sum(span.ms for span in found if span.name == name), 3) for name in {each.name for each in found}
    }


def test_all_moments() -> None:
    assert told(timings_ms=MOMENTS, upstream=SENT) == {
        "prepare": 10,
        "connect": 30,
        "prefill": 860,
        "first token": 50,
        "decode": 1050,
    }


@pytest.mark.parametrize(
    ("without", "expected"),
    [
        ("accepted", {"prepare": 10, "prefill": 890, "first token": 50, "decode": 1050}),
        ("first_token", {"prepare": 10, "connect": 30, "prefill": 860, "answer": 1100}),
        ("end", {}),
    ],
)
def test_a_moment_that_is_not_recorded_is_not_made_up(without: str, expected: dict[str, float]) -> None:
    timings = {name: at for name, at in MOMENTS.items() if name != without}
    assert told(timings_ms=timings, upstream=SENT) == expected


def test_nothing_went_upstream() -> None:
    assert told(timings_ms=MOMENTS) == {"answer": 2000}


def test_the_queue_is_no_preparing() -> None:
    waited = {"kind": "queue", "at_ms": 510.0, "seconds": 0.5}
    timings = {**MOMENTS, "accepted": 540.0}
    found = told(timings_ms=timings, upstream=[{"at_ms": 515.0}], notes=[waited])
    assert (found["prepare"], found["queue"], found["connect"]) == (15, 500, 25)


def test_attempts_that_failed_and_a_queue_between_them() -> None:
    waited = {"kind": "queue", "at_ms": 510.0, "seconds": 0.3}
    found = told(timings_ms=MOMENTS, upstream=[{"at_ms": 10.0}, {"at_ms": 520.0}], notes=[waited])
    assert (found["prepare"], found["queue"], found["failed attempt"]) == (10, 300, 210)
    first = spans(record(timings_ms=MOMENTS, upstream=[{"at_ms": 10.0}, {"at_ms": 520.0}], notes=[waited]))
    assert [span.name for span in first][:5] == ["prepare", "failed attempt", "queue", "failed attempt", "prefill"]


ODD = st.one_of(st.none(), st.booleans(), st.text(max_size=3), st.floats(), st.integers(), st.just([]))
AT = st.one_of(ODD, st.floats(0, 5000))


@given(
    timings=st.dictionaries(st.sampled_from([*MOMENTS, "other"]), AT),
    attempts=st.lists(st.one_of(ODD, st.builds(lambda at: {"at_ms": at}, AT)), max_size=4),
    waits=st.lists(st.builds(lambda at, of: {"kind": "queue", "at_ms": at, "seconds": of}, AT, AT), max_size=3),
)
def test_spans_touch_and_add_up(timings: Any, attempts: Any, waits: Any) -> None:
    found = spans(record(timings_ms=timings, upstream=attempts, notes=waits))
    assert all(span.ms > 0 and span.name in MEANING for span in found)
    assert all(one.ended == other.began and one.name != other.name for one, other in pairwise(found))
    if found:
        assert (found[0].began, found[-1].ended) == (0, timings["end"])
