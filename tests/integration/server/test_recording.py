"""What the server tells a recorder: how every request went, exactly once."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from anyclaude.backends.scripted import ScriptedBackend
from anyclaude.errors import Overloaded
from anyclaude.trace.record import Recorder
from anyclaude.wire.events import Failed, TextDelta
from tests.support.clients import ASK, talking_to


@dataclass
class _Kept:
    """A recording of one request that keeps what it is told."""

    begun: list[Mapping[str, Any]] = field(default_factory=list)
    notes: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    moments: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    ends: list[tuple[int, str, str | None]] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    lost = 0

    def begin(self, request_id: str, path: str, headers: Mapping[str, str], body: Mapping[str, Any]) -> Recorder:
        self.begun.append(body)
        return self

    def note(self, kind: str, **facts: Any) -> None:
        self.notes.append((kind, facts))

    def sent(self, body: Mapping[str, Any] | bytes) -> None: ...

    def mark(self, moment: str) -> None:
        self.moments.append(moment)

    def feed(self, events: Iterable[Mapping[str, Any]]) -> None:
        self.kinds += [event["type"] for event in events]

    def whole(self, body: Mapping[str, Any]) -> None: ...

    def finish(self, status: int, outcome: str, error: str | None = None) -> None:
        self.ends.append((status, outcome, error))
        self.ended.set()


@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_that_is_whole(stream: bool) -> None:
    kept = _Kept()
    async with talking_to(ScriptedBackend(), recording=kept) as client:
        async with client.post(stream=stream) as response:
            await response.read()
        await kept.ended.wait()
    assert kept.ends == [(200, "complete", None)]
    assert (kept.kinds[0], kept.kinds[-1]) == ("message_start", "message_stop")
    assert kept.notes == [("route", {"to": "lmstudio", "reason": "main"})]
    assert kept.begun[0]["messages"] == ASK["messages"]


async def test_a_refusal() -> None:
    kept = _Kept()
    async with talking_to(ScriptedBackend(refusal=Overloaded("busy")), recording=kept) as client:
        async with client.post(stream=True) as response:
            assert response.status == 529
        await kept.ended.wait()
    assert kept.ends == [(529, "error", "busy")]


async def test_an_answer_that_breaks_under_way() -> None:
    kept = _Kept()
    backend = ScriptedBackend([[TextDelta("so far")], [Failed(Overloaded("no more"))]])
    async with talking_to(backend, recording=kept) as client:
        assert (await client.events())[-1]["type"] == "error"
        await kept.ended.wait()
    assert kept.ends == [(200, "error", "no more")]
    assert kept.moments == ["first_event"]


async def test_a_client_that_leaves() -> None:
    kept = _Kept()
    backend = ScriptedBackend([[TextDelta("so far")], asyncio.Event()])
    async with talking_to(backend, recording=kept) as client:
        async with client.post(stream=True) as response:
            await response.content.readany()
            response.close()
        await kept.ended.wait()
    assert kept.ends == [(499, "left", None)]
