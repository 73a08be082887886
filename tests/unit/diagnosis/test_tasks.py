"""What the exercises ask: valid requests, and long prompts that fit."""

import json

import pytest

from anyclaude.convert.validate import validate_request
from anyclaude.diagnosis import tasks
from anyclaude.diagnosis.exercises import EXERCISES, Exercise
from anyclaude.diagnosis.shapes import fault
from anyclaude.diagnosis.tasks import ORDER, ORDERING, Bench
from tests.support.collected import answer

BENCH = Bench("local", "mark", 8192)


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)
def test_every_request_is_valid_and_the_same_for_the_same_bench(exercise: Exercise) -> None:
    answers = [answer("read")][: exercise.turns - 1]
    request = exercise.task(BENCH, answers)
    assert request is not None
    validate_request(request)
    assert exercise.task(BENCH, answers) == request
    assert bool(request.get("tools")) or not exercise.calls


def test_long_prompts_fit_the_window_and_differ_from_run_to_run() -> None:
    large = tasks.needle(Bench("m", "a"), [])
    small = tasks.needle(Bench("m", "a", 3000), [])
    other = tasks.needle(Bench("m", "b", 3000), [])
    assert large is not None
    assert small is not None
    assert len(json.dumps(large)) > 2 * len(json.dumps(small))
    assert small != other
    assert tasks.needle(Bench("m", "a", 1000), []) is None


def test_the_second_turn_begins_with_the_first() -> None:
    first, second = tasks.two_turns(BENCH, []), tasks.two_turns(BENCH, [answer("read")])
    assert first is not None
    assert second is not None
    assert second["messages"][:1] == first["messages"]
    assert [message["role"] for message in second["messages"]] == ["user", "assistant", "user"]


def test_what_is_asked_for_fits_its_own_schema() -> None:
    assert fault(ORDER, ORDERING["input_schema"]) is None


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([], "the whole is not of type object"),
        ({"customer": {"name": "A", "vip": 1}, "items": []}, "customer.vip is not of type boolean"),
        ({"customer": {"name": "A", "vip": True}, "items": [{"sku": "x"}]}, "items[0].quantity is missing"),
        ({"customer": {"name": "A", "vip": True}, "items": [], "more": 1}, "more is not asked for"),
        (
            {"customer": {"name": "A", "vip": True}, "items": [{"sku": "x", "quantity": True, "size": "small"}]},
            "items[0].quantity is not of type integer",
        ),
    ],
)
def test_the_first_fault_is_named_with_its_place(value: object, said: str) -> None:
    assert fault(value, ORDERING["input_schema"]) == said
