"""A client of the proxy, as tests speak: post a request, read a stream, leave in the middle."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from anyclaude.backends.base import Backend
from anyclaude.server.serve import serving
from anyclaude.wire.grammar import Grammar
from anyclaude.wire.sse import SseDecoder

TOKEN = "token-of-this-launch"
ASK: Mapping[str, Any] = {"model": "m", "max_tokens": 16, "messages": [{"role": "user", "content": "Hi"}]}


class Client:
    """Speaks to one proxy with its token."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = url

    def post(self, path: str = "/v1/messages", body: Any = None, **fields: Any) -> Any:
        return self.session.post(self.url + path, json=body if body is not None else {**ASK, **fields})

    def get(self, path: str) -> Any:
        return self.session.get(self.url + path)

    async def events(self, **fields: Any) -> list[dict[str, Any]]:
        """The whole stream that answers a request, in the order that the grammar asks for."""
        async with self.post(stream=True, **fields) as response:
            assert response.status == 200, await response.text()
            return decode(await response.read())


def decode(body: bytes) -> list[dict[str, Any]]:
    """The events of a stream. Each `event:` line names its event, and the grammar accepts them to the end."""
    decoder = SseDecoder()
    events = []
    grammar = Grammar()
    for server_event in decoder.feed(body) + decoder.end():
        event = json.loads(server_event.data)
        assert server_event.event == event["type"]
        grammar.feed(event)
        events.append(event)
    grammar.end()
    return events


@asynccontextmanager
async def talking_to(backend: Backend, **how: Any) -> AsyncIterator[Client]:
    """A client, and the proxy in front of a backend."""
    async with serving(backend, TOKEN, **how) as address, client_of(address.url) as client:
        yield client


@asynccontextmanager
async def client_of(url: str, token: str = TOKEN) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session:
        yield Client(session, url)
