"""The lines that a person sees: which refusals become one, and how often."""

import logging

import pytest
from starlette.types import Message, Receive, Scope, Send

from mlx_worker.log_lines import LONGEST, SILENCE_SECONDS, RefusalLog, Refusals


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "mlx_worker")
    return caplog


def test_equal_refusals_are_one_line_and_a_count(lines: pytest.LogCaptureFixture) -> None:
    now = 0.0
    refusals = Refusals(lambda: now)
    for _ in range(5):
        refusals.tell("POST /a", 429, "the queue is full")
    refusals.tell("POST /a", 503, "draining")
    now = SILENCE_SECONDS
    refusals.tell("POST /a", 429, "the queue is full")
    assert lines.messages == [
        "POST /a: refused with 429: the queue is full",
        "POST /a: refused with 503: draining",
        "POST /a: refused with 429 (and 4 times before): the queue is full",
    ]


def test_what_a_client_made_up_stays_one_line_within_bounds(lines: pytest.LogCaptureFixture) -> None:
    Refusals().tell("GET /a", 404, "no\nsuch\r\nthing " + "x" * 1000)
    (line,) = lines.messages
    assert line.startswith("GET /a: refused with 404: no such thing xxx")
    assert len(line) < LONGEST + 50


def test_a_flood_of_paths_is_remembered_within_bounds(lines: pytest.LogCaptureFixture) -> None:
    refusals = Refusals(lambda: 0.0)
    for number in range(1000):
        refusals.tell(f"GET /{number}", 404, "no")
    assert len(refusals._said) == 64


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (404, b'{"error": {"message": "nothing there"}}', ["GET /a?b: refused with 404: nothing there"]),
        (503, b'{"status": "unhealthy"}', []),
        (503, b"not JSON", []),
        (200, b'{"error": {"message": "an answer"}}', []),
    ],
)
async def test_what_was_told_is_said(
    lines: pytest.LogCaptureFixture, status: int, body: bytes, said: list[str]
) -> None:
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status})
        await send({"type": "http.response.body", "body": body})

    async def receive() -> Message:
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    await RefusalLog(app)({"type": "http", "method": "GET", "path": "/a\nb"}, receive, send)
    assert lines.messages == said
    assert len(sent) == 2
