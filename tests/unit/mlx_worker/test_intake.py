"""The bounds on the way in: places, bodies, tokenising."""

import asyncio
import threading
from typing import Any

import httpx
import pytest

from mlx_worker.engine import ModelCard
from mlx_worker.errors import NotReady, PromptTooLong, QueueFull
from mlx_worker.fake_engine import FakeEngine
from mlx_worker.generation import AnswerShape, Conversation, Prompt
from mlx_worker.intake import LONG_TEXT, LONGEST_TOKEN, Intake, text_size
from tests.unit.mlx_worker.asgi import HI, asked, client_of

CARD = ModelCard("m", 1000, supports_tools=True)


class GatedEngine(FakeEngine):
    """Renders no prompt before `gate` is open, but for short ones."""

    def __init__(self, short: int = 0) -> None:
        super().__init__(context_length=1 << 20)
        self.gate = threading.Event()
        self.entered = threading.Semaphore(0)
        self.short = short
        self.inside = self.most = 0
        self.lock = threading.Lock()

    def prepare(self, conversation: Conversation, shape: AnswerShape | None = None) -> Prompt:
        if text_size(conversation) < self.short:
            return super().prepare(conversation)
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.entered.release()
        assert self.gate.wait(10)
        with self.lock:
            self.inside -= 1
        return super().prepare(conversation)


def saying(text: str) -> Conversation:
    return Conversation([{"role": "user", "content": text}])


async def test_a_full_queue_is_told_before_the_body_is_read() -> None:
    engine = FakeEngine()
    engine.max_queue = 0

    async def never() -> Any:
        yield b"{"
        raise AssertionError("the body was read")

    async with client_of(engine) as client:
        answer = await client.post(
            "/v1/chat/completions", content=never(), headers={"Content-Type": "application/json"}
        )
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "queue_full")
    assert answer.headers["retry-after"]
    assert engine.conversations == []


async def test_requests_that_are_prepared_take_places() -> None:
    engine = GatedEngine()
    engine.max_queue = 1
    async with client_of(engine) as client:
        first = asyncio.create_task(asked(client))
        await asyncio.to_thread(engine.entered.acquire)
        assert (await asked(client)).status_code == 429
        engine.gate.set()
        assert (await first).status_code == 200
        assert (await asked(client)).status_code == 200


async def test_few_long_prompts_are_tokenised_at_a_time_and_short_ones_do_not_wait() -> None:
    engine = GatedEngine(short=1000)
    engine.start()
    intake = Intake(engine)
    card = ModelCard("m", 1 << 20, supports_tools=True)
    long = [asyncio.create_task(intake.prepare(saying("x " * LONG_TEXT), card)) for _ in range(3)]
    await asyncio.to_thread(engine.entered.acquire)
    assert (await asyncio.wait_for(intake.prepare(saying("hi"), card), 10)).tokens == (0,)
    engine.gate.set()
    await asyncio.wait_for(asyncio.gather(*long), 10)
    assert engine.most == 1
    intake.close()


async def test_what_cannot_fit_is_not_tokenised() -> None:
    engine = FakeEngine()
    engine.start()
    with pytest.raises(PromptTooLong) as error:
        await Intake(engine).prepare(saying("x" * (CARD.context_length + 1) * LONGEST_TOKEN), CARD)
    assert error.value.prompt_tokens > error.value.context_length == 1000
    assert engine.conversations == []


async def test_what_might_fit_is_counted() -> None:
    engine = FakeEngine()
    engine.start()
    assert (await Intake(engine).prepare(saying("x" * 999 * LONGEST_TOKEN), CARD)).tokens == (0,)


async def test_a_body_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlx_worker.intake.BODY_SECONDS", 0.01)

    async def slow() -> Any:
        yield b"{"
        await asyncio.Event().wait()

    async with client_of(FakeEngine()) as client:
        answer = await client.post("/v1/chat/completions", content=slow(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 408


@pytest.mark.parametrize("state", ["loading", "draining", "dead"])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/cache/warm", "/tokenize"])
async def test_not_ready_is_a_503_that_says_when_to_come_back(state: Any, path: str) -> None:
    engine = FakeEngine()
    async with client_of(engine) as client:
        engine.refusal = NotReady(f"the model is {state}")
        answer = await client.post(path, json=HI)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")


async def test_places_are_given_back_after_a_refusal() -> None:
    engine = FakeEngine()
    engine.start()
    intake = Intake(engine)
    engine.max_queue = 1
    with pytest.raises(ValueError, match="refused"), intake.place():
        raise ValueError("refused")
    with intake.place(), pytest.raises(QueueFull), intake.place():
        pass


async def test_a_deep_body_is_refused() -> None:
    deep: Any = "x"
    for _ in range(300):
        deep = [deep]
    async with client_of(FakeEngine()) as client:
        answer: httpx.Response = await client.post("/v1/chat/completions", json=HI | {"junk": deep})
        assert answer.status_code == 400
        assert "254 levels" in answer.json()["error"]["message"]
