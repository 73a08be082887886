"""One record: its shape, its moments, and that nothing told to it can raise."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from anyclaude.prompt.options import Report
from anyclaude.trace.draft import MOST_UNFOLDED, Draft
from anyclaude.trace.recorder import MOST_ATTEMPTS, MOST_NOTES, TraceRecorder
from anyclaude.trace.redact import MARK, Redactor
from anyclaude.wire.events import UsageReport

HEADERS = {"X-Claude-Code-Session-Id": "s1", "X-Claude-Code-Agent-Id": "a1", "Authorization": "hunter2", "Host": "h"}


def recorder(taken: list[bytes], body: dict[str, Any] | None = None) -> TraceRecorder:
    redactor = Redactor(["known-hidden"])
    clock: Iterator[float] = iter(range(100_000))
    draft = Draft("req_1", "lmstudio", "/v1/messages?beta=true", 0.0, tuple(HEADERS.items()))
    draft.body = draft.keep(body or {"system": "be", "messages": []})
    return TraceRecorder(draft, lambda told: taken.append(told.encoded(redactor)), lambda: next(clock))


def finished(taken: list[bytes]) -> dict[str, Any]:
    assert len(taken) == 1
    assert taken[0].count(b"\n") == 1  # one line: `cat *.json | tail -1 | jq` is how people look at the latest
    found: dict[str, Any] = json.loads(taken[0])
    return found


def test_the_record() -> None:
    taken: list[bytes] = []
    one = recorder(taken)
    one.note("route", to="lmstudio:m", reason="main")
    one.sent({"model": "m"})
    one.mark("accepted")
    one.mark("accepted")
    one.feed([{"type": "message_start", "message": {"model": "m", "usage": {"input_tokens": 1}}}])
    one.note("usage", report=UsageReport(9, 0, 2, cost=0.5))
    one.finish(200, "complete")
    found = finished(taken)
    assert found["request"]["body"]["system"] == "be"
    assert found["request"]["headers"]["Authorization"] == MARK
    assert (found["session"], found["agent"], found["mode"]) == ("s1", "a1", "lmstudio")
    assert found["notes"][0] == {"to": "lmstudio:m", "reason": "main", "kind": "route", "at_ms": 1000.0}
    assert found["upstream"] == [{"at_ms": 2000.0, "body": {"model": "m"}}]
    assert found["timings_ms"] == {"accepted": 3000.0, "end": 6000.0}
    assert found["response"] == {"status": 200, "body": {"model": "m", "usage": {"input_tokens": 1}, "content": []}}
    assert found["usage"]["cost"] == 0.5
    assert (found["outcome"], found["error"]) == ("complete", None)


def test_an_answer_that_was_not_streamed() -> None:
    taken: list[bytes] = []
    one = recorder(taken)
    one.whole({"type": "message", "content": [{"type": "text", "text": "hi"}], "usage": {"output_tokens": 3}})
    one.finish(200, "complete")
    found = finished(taken)
    assert found["response"]["body"]["content"] == [{"type": "text", "text": "hi"}]
    assert found["usage"] == {"output_tokens": 3}


def test_the_first_token_is_told_from_the_first_event() -> None:
    taken: list[bytes] = []
    one = recorder(taken)
    one.feed([{"type": "message_start", "message": {}}])
    one.mark("first_event")
    for text in "ab":
        one.feed([{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}])
    one.finish(200, "complete")
    assert finished(taken)["timings_ms"] == {"first_event": 1000.0, "first_token": 2000.0, "end": 3000.0}


def test_bodies_are_kept_as_they_were_told() -> None:
    taken: list[bytes] = []
    body: dict[str, Any] = {"messages": ["before"]}
    one = recorder(taken, body)
    one.sent(body)
    body["messages"][0] = "after"
    one.finish(200, "complete")
    assert b"after" not in taken[0]


@pytest.mark.parametrize(("sent", "kept"), [(b'{"a": 1}', {"a": 1}), (b"\xff{", "\ufffd{"), (b"", "")])
def test_bytes_that_went_upstream(sent: bytes, kept: object) -> None:
    taken: list[bytes] = []
    one = recorder(taken)
    one.sent(sent)
    one.finish(200, "complete")
    assert finished(taken)["upstream"][0]["body"] == kept


def test_facts_that_are_no_json() -> None:
    taken: list[bytes] = []
    one = recorder(taken)
    one.note("prompt", report=Report("passthrough", None, 1, 1, 1, 1, removed=("x",)))
    one.note("learnt", refused=frozenset({"b", "a"}), error=ValueError("known-hidden"), kinds={1: "x"})
    one.finish(200, "complete")
    prompt, learnt = finished(taken)["notes"]
    assert prompt["report"]["removed"] == ["x"]
    assert (learnt["refused"], learnt["error"], learnt["kinds"]) == (["a", "b"], MARK, {"1": "x"})


def test_a_failure_of_the_record_is_told_once_and_raises_nothing(caplog: pytest.LogCaptureFixture) -> None:
    taken: list[bytes] = []
    one = recorder(taken)
    with caplog.at_level(logging.WARNING):
        one.sent({"a": object()})
        one.feed(None)  # type: ignore[arg-type]
        one.finish(200, "complete")
    assert len(taken) == 1
    assert [record.message for record in caplog.records] == ["the trace of a request is not whole: InternalError"]


def test_it_is_bounded() -> None:
    taken: list[bytes] = []
    one = recorder(taken)
    for _ in range(MOST_NOTES + MOST_ATTEMPTS):
        one.note("repair")
        one.sent({})
    one.finish(200, "complete")
    assert len(finished(taken)["notes"]) == MOST_NOTES
    assert len(finished(taken)["upstream"]) == MOST_ATTEMPTS


def test_an_answer_of_many_events_is_folded_under_way() -> None:
    taken: list[bytes] = []
    one = recorder(taken)
    one.feed([{"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}])
    for _ in range(2 * MOST_UNFOLDED + 5):
        one.feed([{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}}])
    assert len(one._draft._events) <= MOST_UNFOLDED
    one.finish(200, "complete")
    assert finished(taken)["response"]["body"]["content"][0]["text"] == "x" * (2 * MOST_UNFOLDED + 5)


def test_its_size_is_known_before_it_is_encoded() -> None:
    told: list[Draft] = []
    draft = Draft("req_1", "lmstudio", "/", 0.0)
    one = TraceRecorder(draft, told.append)
    one.sent(b"x" * 1000)
    one.feed([{"type": "message_start", "message": {}}] * 10)
    one.finish(200, "complete")
    assert 1000 + 10 * 100 < told[0].size < 1000 + 10 * 2000


def test_nothing_is_looked_into_before_it_is_taken() -> None:
    told: list[Draft] = []
    one = TraceRecorder(Draft("req_1", "lmstudio", "/", 0.0), told.append)
    one.sent(b"\xff no JSON")
    one.feed([{"type": "content_block_delta", "index": [], "delta": {}}])
    one.finish(200, "complete")
    assert json.loads(told[0].encoded(Redactor()))["upstream"][0]["body"] == "\ufffd no JSON"
