"""The oracle lets nothing through that a client must not see."""

import json
import logging
from collections.abc import Mapping

import pytest

from anyclaude.convert.message import MessageWriter
from anyclaude.errors import Overloaded
from anyclaude.wire.anthropic import encode_event
from anyclaude.wire.events import Failed, Finished, ModelEvent, TextDelta, ToolCallStart
from tests.support.oracle import Seen, Violation, judge, quiet_log

STREAM = {"Content-Type": "text/event-stream; charset=utf-8"}
JSON = {"Content-Type": "application/json"}
MESSAGE = {"type": "message", "content": [{"type": "text", "text": "Hi"}], "stop_reason": "end_turn"}


def stream(*events: ModelEvent) -> bytes:
    writer = MessageWriter("msg_1", "m")
    return b"".join(map(encode_event, [writer.start(), *writer.feed(events)]))


def error(kind: str, said: str = "no") -> bytes:
    return json.dumps({"type": "error", "error": {"type": kind, "message": said}}).encode()


ALLOWED: list[tuple[Seen, str]] = [
    (Seen(200, STREAM, stream(TextDelta("Hi"), Finished("end_turn"))), "whole"),
    (Seen(200, STREAM, stream(TextDelta("Hi"), Failed(Overloaded("busy")))), "error event"),
    (Seen(200, JSON, json.dumps(MESSAGE).encode()), "whole"),
    (Seen(529, JSON, error("overloaded_error")), "refused"),
]


@pytest.mark.parametrize(("seen", "kind"), ALLOWED)
def test_what_a_client_may_see(seen: Seen, kind: str) -> None:
    assert judge(seen, within=1).kind == kind


WHOLE = stream(TextDelta("Hi"), Finished("end_turn"))
FORBIDDEN: Mapping[str, Seen] = {
    "too late": Seen(200, STREAM, WHOLE, seconds=2),
    "cut": Seen(200, STREAM, WHOLE[:-30], ended=False),
    "ended well in mid-stream": Seen(200, STREAM, stream(TextDelta("Hi"))),
    "nothing": Seen(200, STREAM, b""),
    "something behind the end": Seen(200, STREAM, WHOLE + WHOLE),
    "an error behind the end": Seen(200, STREAM, WHOLE + b"event: error\ndata: " + error("api_error") + b"\n\n"),
    "two calls with one id": Seen(
        200, STREAM, stream(ToolCallStart("a", "f"), ToolCallStart("a", "f"), Finished("tool_use"))
    ),
    "no json": Seen(200, STREAM, b"event: message_stop\ndata: {\n\n"),
    "names that differ": Seen(200, STREAM, WHOLE.replace(b"event: message_stop", b"event: ping")),
    "no message": Seen(200, JSON, b"{}"),
    "a message without its end": Seen(200, JSON, json.dumps({**MESSAGE, "stop_reason": None}).encode()),
    "a page": Seen(502, JSON, b"<html>"),
    "another's shape": Seen(502, JSON, b'{"error": "no"}'),
    "a status that does not fit": Seen(400, JSON, error("overloaded_error")),
    "a type that is none": Seen(400, JSON, error("bad_error")),
    "a traceback": Seen(502, JSON, error("api_error", "Traceback (most recent call last)")),
    "an empty sentence": Seen(502, JSON, error("api_error", "")),
    "controls": Seen(502, JSON, error("api_error", "a\x1b[2Jb")),
    "a redirect": Seen(307, JSON, b""),
}


@pytest.mark.parametrize("seen", FORBIDDEN.values(), ids=FORBIDDEN.keys())
def test_what_a_client_must_never_see(seen: Seen) -> None:
    with pytest.raises(Violation):
        judge(seen, within=1)


RELAYED: list[tuple[Seen, str]] = [
    (Seen(200, STREAM, WHOLE[:-30], ended=False), "broken"),
    (Seen(502, {}, b"<html>"), "refused"),
    (Seen(200, {"Content-Type": "text/html"}, b"<html>"), "handed on"),
    (Seen(200, STREAM, WHOLE), "whole"),
]


@pytest.mark.parametrize(("seen", "kind"), RELAYED)
def test_what_is_handed_on(seen: Seen, kind: str) -> None:
    assert judge(seen, within=1, relayed=True).kind == kind


def test_half_an_answer_is_not_handed_on_as_a_whole_one() -> None:
    with pytest.raises(Violation):
        judge(Seen(200, STREAM, stream(TextDelta("Hi"))), within=1, relayed=True)


@pytest.mark.parametrize("level", [logging.ERROR, logging.INFO])
def test_a_traceback_in_the_log_is_seen(level: int) -> None:
    logger = logging.getLogger("a.test")
    logger.setLevel(logging.INFO)
    reason = ValueError("x") if level == logging.INFO else None
    with pytest.raises(Violation, match="the log holds"), quiet_log():
        logger.log(level, "failed", exc_info=reason)


def test_a_warning_is_no_fault() -> None:
    with quiet_log():
        logging.getLogger("a.test").warning("it was slow")
