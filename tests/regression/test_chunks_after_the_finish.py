"""An upstream that had said why it stopped, and then sent chunks without end, kept its answer open without end."""

import asyncio

from anyclaude.backends.base import Caller
from anyclaude.backends.lmstudio import LMStudioBackend
from anyclaude.config.model import Deadlines
from anyclaude.config.upstreams import LMStudio
from anyclaude.wire.events import Finished, ModelEvent
from tests.support.clients import ASK
from tests.support.raw_upstream import Connection, framed, raw_upstream, sse
from tests.support.streams import finish, text


async def test_they_put_the_end_off_no_longer_than_the_closing_deadline() -> None:
    async def babbles(connection: Connection) -> None:
        await connection.stream(text("Hi"), finish(), end=False)
        while True:
            await connection.send(framed(sse({"choices": []})))
            await asyncio.sleep(0.01)

    events: list[ModelEvent] = []
    async with raw_upstream(babbles) as upstream:
        backend = LMStudioBackend(LMStudio(url=upstream.url), None, Deadlines(closing=0.1))
        async with asyncio.timeout(30), backend.stream(ASK, Caller()) as batches:
            async for batch in batches:
                events += batch
        await backend.aclose()
    assert events[-1] == Finished("end_turn")
