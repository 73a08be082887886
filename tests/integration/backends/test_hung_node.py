"""An answer that has begun at a worker which then is not there: it ends as a failure, or goes on if it can."""

import asyncio

import pytest

from anyclaude.backends import node as nodes
from anyclaude.backends.base import Caller
from anyclaude.backends.node import NodeBackend
from anyclaude.config.model import Deadlines
from anyclaude.config.upstreams import Node
from anyclaude.errors import UpstreamTimeout
from anyclaude.wire.events import Failed, Finished, ModelEvent, TextDelta
from tests.support.raw_upstream import STREAM_HEAD, Connection, framed, raw_upstream, sse
from tests.support.streams import finish, text

ASK = {"model": "m", "max_tokens": 16, "messages": [{"role": "user", "content": "Hi"}]}


async def events_of(backend: NodeBackend, begun: asyncio.Event) -> list[ModelEvent]:
    events: list[ModelEvent] = []
    async with backend.stream(ASK, Caller()) as batches:
        async for batch in batches:
            events += batch
            begun.set()
    return events


async def test_it_fails_once_the_node_has_not_been_there_for_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "_HUNG", 0.05)

    async def play(connection: Connection) -> None:
        await connection.stream(text("Hel"), end=False)
        await connection.gone()

    async with raw_upstream(play) as upstream:
        backend, begun = NodeBackend(Node(id="n", url=upstream.url), None, Deadlines()), asyncio.Event()
        answer = asyncio.create_task(events_of(backend, begun))
        await begun.wait()
        backend.heard_of(False)
        said, failed = await answer
        await backend.aclose()
    assert said == TextDelta("Hel")
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, UpstreamTimeout)


async def test_it_goes_on_when_the_node_is_back_in_time() -> None:
    back = asyncio.Event()

    async def play(connection: Connection) -> None:
        await connection.send(STREAM_HEAD, framed(sse(text("Hel"))))
        await back.wait()
        await connection.send(*(framed(sse(chunk)) for chunk in (text("lo"), finish(), "[DONE]")), b"0\r\n\r\n")

    async with raw_upstream(play) as upstream:
        backend, begun = NodeBackend(Node(id="n", url=upstream.url), None, Deadlines()), asyncio.Event()
        answer = asyncio.create_task(events_of(backend, begun))
        await begun.wait()
        backend.heard_of(False)
        backend.heard_of(True)
        back.set()
        events = await answer
        await backend.aclose()
    assert events == [TextDelta("Hel"), TextDelta("lo"), Finished("end_turn")]
