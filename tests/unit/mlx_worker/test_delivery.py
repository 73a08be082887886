"""A stream from the engine's side: what its head waits for, and how it ends when it has to be cut."""

import asyncio
import json
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram

from mlx_worker.answer import Answer
from mlx_worker.delivery import AnswerResponse
from mlx_worker.errors import EngineFailure, NotReady
from mlx_worker.events import Failed, Finished, TextPiece
from mlx_worker.fake_engine import FakeEngine
from mlx_worker.generation import Generation, Prompt
from mlx_worker.metrics import AnswerWatch


class Line:
    """One request whose connection stays open, and what was sent on it. `heard` is set with every message."""

    def __init__(self) -> None:
        self.engine = FakeEngine([])
        self.engine.start()
        self.registry = CollectorRegistry()
        answer = Answer(self.engine, Generation(Prompt((1, 2)), 5))
        self.response = AnswerResponse(answer, "m", self._watch(), stream=True)
        self.sent: list[dict[str, Any]] = []
        self.heard = asyncio.Event()

    def _watch(self) -> AnswerWatch:
        first, whole = (Histogram(name, name, registry=self.registry) for name in ("first", "whole"))
        return AnswerWatch(first.observe, whole, Counter("tokens", "tokens", registry=self.registry), lambda: 0.0)

    async def send(self, message: Any) -> None:
        self.sent.append(message)
        self.heard.set()

    async def receive(self) -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    def answer(self) -> "asyncio.Task[None]":
        return asyncio.create_task(self.response({"type": "http"}, self.receive, self.send))

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)


async def begun(line: Line, monkeypatch: pytest.MonkeyPatch) -> "asyncio.Task[None]":
    """A stream whose head is out."""
    monkeypatch.setattr("mlx_worker.delivery.HEAD_SECONDS", 0.001)
    answering = line.answer()
    await asyncio.wait_for(line.heard.wait(), 10)
    assert line.sent[0]["status"] == 200
    return answering


async def test_the_head_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line()
    answering = await begun(line, monkeypatch)
    line.engine.tickets[0].play(TextPiece("a"), Finished("stop", 3))
    await asyncio.wait_for(answering, 10)
    assert line.body.endswith(b"data: [DONE]\n\n")
    assert line.registry.get_sample_value("tokens_total") == 3
    assert line.registry.get_sample_value("first_count") == line.registry.get_sample_value("whole_count") == 1


async def test_a_failure_in_the_middle_is_an_error_frame_and_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line()
    answering = await begun(line, monkeypatch)
    line.engine.tickets[0].play(TextPiece("a"), Failed(EngineFailure("out of memory")))
    await asyncio.wait_for(answering, 10)
    error = json.loads(line.body.split(b"\n\n")[1][6:])["error"]
    assert (error["message"], error["http_status"]) == ("out of memory", 500)
    assert b"[DONE]" not in line.body


async def test_an_early_failure_is_a_refusal() -> None:
    line = Line()
    line.engine.tickets[0].play(Failed(NotReady("leaving")))
    await asyncio.wait_for(line.answer(), 10)
    assert [message.get("status") for message in line.sent] == [503, None]


async def test_a_stream_that_the_server_cuts_ends_with_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line()
    answering = await begun(line, monkeypatch)
    answering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answering
    assert json.loads(line.body.removeprefix(b"data: "))["error"]["code"] == "not_ready"
    assert line.engine.tickets[0].cancelled.is_set()
