"""Every judge of `--test-model`, with what passes, what half passes and what fails."""

import json

import pytest

from anyclaude.diagnosis import judging
from anyclaude.diagnosis.collected import Collected
from anyclaude.diagnosis.exercises import EXERCISES
from anyclaude.diagnosis.judging import Judge, Status, judged
from anyclaude.diagnosis.tasks import ODD, ORDER, PLANTED, STATION
from anyclaude.errors import UpstreamBroken
from anyclaude.wire.events import ThinkingDelta, UsageReport
from tests.support.collected import answer, broken

OSLO = ("get_weather", {"city": "Oslo", "unit": "celsius"})
LIMA = ("get_weather", {"city": "Lima"})
CARD = {"title": "Light", "pages": 212, "tags": ["sea", "towers"]}


def order(**changes: object) -> tuple[str, dict[str, object]]:
    return ("create_order", {**ORDER, **changes})


CASES: list[tuple[Judge, Collected, Status, str]] = [
    (judging.plain_answer, answer(" Pong.\n"), "passed", "Pong."),
    (judging.plain_answer, answer("Sure! Here it is: PONG"), "partly", "asked for PONG"),
    (judging.plain_answer, answer(" \n "), "failed", "asked for PONG"),
    (judging.streaming, answer("months", times=(0.5, 1.0, 1.5)), "passed", "first token after 0.50 s"),
    (judging.streaming, answer("months", times=(9.0, 9.1)), "partly", "all at once"),
    (judging.streaming, answer("months", times=(0.2,)), "partly", "all at once"),
    (judging.one_call, answer("", OSLO), "passed", 'get_weather({"city": "Oslo"'),
    (judging.one_call, answer("", OSLO, OSLO), "partly", "and 1 more"),
    (judging.one_call, answer("", LIMA), "partly", "Lima"),
    (judging.one_call, answer("", ("save_text", {"text": "Oslo"})), "failed", "called save_text instead"),
    (judging.one_call, answer("", ("get_weather", "{")), "failed", "no JSON object"),
    (judging.one_call, answer("", ("get_weather", "[1]")), "failed", "no JSON object"),
    (judging.one_call, answer("", ("get_weather", "")), "failed", "city is missing"),
    (judging.one_call, answer("", ("get_weather", {"city": "Oslo", "unit": "kelvin"})), "failed", "unit is none of"),
    (judging.one_call, answer("It is sunny."), "failed", "no call, but 'It is sunny.'"),
    (judging.one_call, answer('<tool_call>{"name": "get_weather"}'), "failed", "wrote the call as text"),
    (judging.parallel_calls, answer("", OSLO, LIMA), "passed", "2 calls"),
    (judging.parallel_calls, answer("", OSLO), "partly", "1 call in place of two"),
    (judging.parallel_calls, answer("", ("get_weather", "{")), "failed", "no JSON object"),
    (judging.parallel_calls, answer("Both are fine."), "failed", "no call"),
    (judging.nested_arguments, answer("", order()), "passed", "every value"),
    (judging.nested_arguments, answer("", order(items=[])), "partly", "right shape"),
    (
        judging.nested_arguments,
        answer("", order(customer={"name": "Ada Lind", "vip": "yes"})),
        "partly",
        "customer.vip",
    ),
    (judging.nested_arguments, answer("", ("create_order", "{'a'")), "failed", "no JSON object"),
    (judging.nested_arguments, answer("Done."), "failed", "no call"),
    (judging.follow_up, answer(f"Light rain, by {STATION.lower()}."), "passed", "uses the result"),
    (judging.follow_up, answer("There is light rain."), "partly", "is not in"),
    (judging.follow_up, answer("", OSLO), "failed", "called again"),
    (judging.follow_up, answer("I cannot look."), "failed", "is not in"),
    (judging.json_format, answer(json.dumps(CARD)), "passed", "Light"),
    (judging.json_format, answer(json.dumps({**CARD, "pages": "212"})), "partly", "pages is not of type integer"),
    (judging.json_format, answer(f"```json\n{json.dumps(CARD)}\n```"), "partly", "other words around it"),
    (judging.json_format, answer("A book."), "failed", "no JSON object"),
    (judging.stop_sequence, answer("one two three four ", finish="stop_sequence"), "passed", "one two three"),
    (judging.stop_sequence, answer("one two three four "), "passed", "ended at the stop sequence"),
    (judging.stop_sequence, answer("1 2 3"), "partly", "never came to"),
    (judging.stop_sequence, answer("one two three four five six"), "failed", "wrote on past"),
    (judging.needle, answer(f"It is {PLANTED}."), "passed", "found"),
    (judging.needle, answer("It is plum.", usage=UsageReport(2900, 0, 4)), "failed", "in 2900 tokens"),
    (judging.odd_characters, answer("", ("save_text", {"text": ODD})), "passed", "came back as they were"),
    (judging.odd_characters, answer("", ("save_text", {"text": ODD.replace("\n\t", " ")})), "partly", "white space"),
    (judging.odd_characters, answer("", ("save_text", {"text": ODD[:-5]})), "partly", "it differs"),
    (
        judging.odd_characters,
        answer("", ("save_text", {"text": "a quoted back"})),
        "failed",
        "it differs from character 3",
    ),
    (judging.odd_characters, answer("", ("save_text", {"text": 3})), "failed", "text is not of type string"),
    (judging.odd_characters, answer("Saved."), "failed", "no call"),
]


@pytest.mark.parametrize(("judge", "came", "status", "evidence"), CASES)
def test_what_came_is_judged_with_evidence(judge: Judge, came: Collected, status: Status, evidence: str) -> None:
    found = judged(judge, [came])
    assert found.status == status
    assert evidence in found.evidence


def test_every_judge_has_cases_that_pass_and_that_do_not() -> None:
    outcomes = {exercise.judge: {case[2] for case in CASES if case[0] is exercise.judge} for exercise in EXERCISES}
    del outcomes[judging.second_turn]
    assert all("passed" in statuses and len(statuses) > 1 for statuses in outcomes.values())


def test_the_second_turn_is_judged_by_the_servers_count_else_by_time() -> None:
    first = answer("read", times=(2.0, 2.1), usage=UsageReport(3000, 0, 1))
    counted = answer("again", times=(1.9, 2.0), usage=UsageReport(3010, 2990, 1))
    quick = answer("again", times=(0.2, 0.3), usage=UsageReport(3010, 0, 1))
    some = answer("again", times=(1.9, 2.0), usage=UsageReport(3010, 500, 1))
    slow = answer("again", times=(1.9, 2.0), usage=UsageReport(3010, 0, 1))
    silent = answer("again", times=(1.9, 2.0), usage=UsageReport(3010, None, 1))
    found = [judged(judging.second_turn, [first, second]) for second in (counted, quick, some, slow, silent)]
    assert [each.status for each in found] == ["passed", "passed", "partly", "failed", "failed"]
    assert found[4].evidence.endswith("the server does not say what was cached")
    assert "2990 tokens came from the prefix cache" in found[0].evidence
    assert "by time to first token: 2.00 s, then 0.20 s" in found[1].evidence


@pytest.mark.parametrize(
    ("came", "evidence"),
    [
        (broken(UpstreamBroken("it broke")), "it broke"),
        (Collected(late=True, ended=120.0), "not ready within 120 s, nothing had come"),
        (Collected(text="half"), "ended before it was complete"),
        (answer(""), "the answer was empty"),
    ],
)
def test_an_answer_that_is_not_whole_fails_whoever_judges(came: Collected, evidence: str) -> None:
    for exercise in EXERCISES:
        found = judged(exercise.judge, [came])
        assert found.status == "failed"
        assert evidence in found.evidence


def test_an_answer_that_was_cut_off_is_told_so_where_that_may_be_why() -> None:
    cut = answer('{"title": "Li', finish="max_tokens", usage=UsageReport(100, 0, 2000))
    found = judged(judging.json_format, [cut])
    assert (found.status, found.evidence[-28:]) == ("failed", "', cut off after 2000 tokens")
    assert "cut off" not in judged(judging.plain_answer, [answer("PONG", finish="max_tokens")]).evidence


def test_thinking_alone_is_no_answer() -> None:
    came = answer("", finish="max_tokens")
    came.feed([ThinkingDelta("hm")], 0.1)
    assert "only thought" in judged(judging.plain_answer, [came]).evidence


def test_the_weights_add_up() -> None:
    assert sum(exercise.weight for exercise in EXERCISES) == 100
    assert len({exercise.name for exercise in EXERCISES}) == len(EXERCISES)
