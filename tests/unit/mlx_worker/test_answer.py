"""What an engine's thread tells, as the event loop hears it."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from mlx_worker.answer import Answer
from mlx_worker.events import Event, Finished, Generating, TextPiece
from mlx_worker.fake_engine import FakeEngine
from mlx_worker.generation import Generation, Prompt

GENERATION = Generation(Prompt((1, 2)), 5)


def begun() -> tuple[FakeEngine, Answer]:
    engine = FakeEngine([])
    engine.start()
    return engine, Answer(engine, GENERATION)


async def test_a_loop_that_has_not_come_yet_is_called_once(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, answer = begun()
    called: list[Callable[[], Any]] = []
    monkeypatch.setattr(asyncio.get_running_loop(), "call_soon_threadsafe", called.append)
    engine.tickets[0].play(Generating(1), TextPiece("a"))
    assert len(called) == 1
    called[0]()
    engine.tickets[0].play(Finished("stop", 2))
    assert len(called) == 2
    assert [batch async for batch in answer.batches()] == [[Generating(1), TextPiece("a"), Finished("stop", 2)]]


async def test_nothing_is_lost_and_nothing_told_twice_between_two_threads() -> None:
    engine, answer = begun()
    told: list[Event] = [TextPiece(str(number)) for number in range(3000)]
    telling = threading.Thread(target=engine.tickets[0].play, args=(*told, Finished("stop", 3000)))
    telling.start()
    heard = [event async for batch in answer.batches() for event in batch]
    telling.join()
    assert heard == [*told, Finished("stop", 3000)]


async def test_only_an_answer_that_is_not_over_is_cancelled() -> None:
    engine, answer = begun()
    async with answer:
        engine.tickets[0].play(Finished("stop", 1))
        assert [batch async for batch in answer.batches()] == [[Finished("stop", 1)]]
    assert not engine.tickets[0].cancelled.is_set()
    engine, answer = begun()
    async with answer:
        pass
    assert engine.tickets[0].cancelled.is_set()
