"""What broke after the end of an answer was written behind its `message_stop`, as an `error` event."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from anyclaude.backends.base import Caller, EventBatches
from anyclaude.backends.scripted import ScriptedBackend
from anyclaude.errors import UpstreamBroken
from anyclaude.server.serve import serving
from tests.support.clients import TOKEN, client_of, decode, talking_to


class _BreaksOnLeaving(ScriptedBackend):
    @asynccontextmanager
    async def stream(
        self, request: Mapping[str, Any], caller: Caller, model: str | None = None
    ) -> AsyncIterator[EventBatches]:
        yield self._play()
        raise UpstreamBroken("late")


class _NeverLeft(ScriptedBackend):
    @asynccontextmanager
    async def stream(
        self, request: Mapping[str, Any], caller: Caller, model: str | None = None
    ) -> AsyncIterator[EventBatches]:
        yield self._play()
        await asyncio.Event().wait()


async def test_an_upstream_that_breaks_after_the_end() -> None:
    async with talking_to(_BreaksOnLeaving()) as client:
        assert (await client.events())[-1]["type"] == "message_stop"


async def test_a_stop_of_the_proxy_after_the_end() -> None:
    proxy = serving(_NeverLeft(), TOKEN, drain=0)
    address = await proxy.__aenter__()
    async with client_of(address.url) as client, client.post(stream=True) as response:
        body = await response.content.readany()
        await proxy.__aexit__(None, None, None)
        assert decode(body + await response.read())[-1]["type"] == "message_stop"
