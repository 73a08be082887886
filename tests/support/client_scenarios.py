"""What clients do wrong, on a raw socket, and the upstreams that they do it to: the scenarios of `client_faults`."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from anyclaude.server.connections import PATIENT, Patience
from tests.support.faulty_client import Line, dialled, request
from tests.support.faulty_upstream import FaultyUpstream, Scenario, Wire, head
from tests.support.raw_upstream import framed

Expected = Sequence[int | str]
"""In their order, for each answer: the status of a refusal, or `whole`, or `error event`."""


@dataclass
class Met:
    """What a row's client meets. asked: the upstream has been asked; written: bytes that it could write;
    words: of those that `floods` tells."""

    port: int
    upstream: FaultyUpstream
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    written: int = 0
    words: int = 0


Does = Callable[[Line, Met], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class ClientFault:
    """claude: what comes of it where requests are handed on; None: the row says nothing about that.

    asked: how often the upstream is asked; None: once or not at all, as it happens.
    """

    name: str
    does: Does
    expected: Expected = ()
    claude: Expected | None = ()
    upstream: Scenario | None = None
    asked: int | None = 0
    patience: Patience = PATIENT
    window: int | None = None
    closes: bool = False


QUICK: Final = Patience(head=0.3, body=0.3, taking=0.3)


async def well(wire: Wire) -> None:
    await wire.stream(wire.says.answer)


async def silent(wire: Wire) -> None:
    await wire.gone()


async def in_the_prompt(wire: Wire) -> None:
    await wire.stream(b": prefill 1/2\n\n", end=b"")
    await wire.gone()


async def in_mid_answer(wire: Wire) -> None:
    await wire.stream(wire.says.opening, end=b"")
    await wire.gone()


async def behind_the_finish(wire: Wire) -> None:
    await wire.stream(wire.says.answer, end=b"")
    await wire.gone()


WORD = b"word "


def floods(met: Met, size: int) -> Scenario:
    """An answer of so many bytes, written as fast as they are taken. No part of it is like another."""

    async def play(wire: Wire) -> None:
        await wire.connection.send(head(200, transfer_encoding="chunked"), framed(wire.says.opening))
        while met.written < size:
            lump = b"".join(b"word %d, " % (met.written + number) for number in range(4000))
            frame = framed(wire.says.more.replace(b"lo.", lump))
            await wire.connection.send(frame)
            met.written += len(frame)
            met.words += lump.count(WORD)
        await wire.connection.send(framed(wire.says.more + wire.says.finish + wire.says.mark), b"0\r\n\r\n")

    return play


def sends(body: bytes | None = None, **how: Any) -> Does:
    async def does(line: Line, met: Met) -> None:
        await line.send(request(line.port, body, **how))

    return does


def leaves(mark: bytes = b"", *, reset: bool = False) -> Does:
    """Once the mark has come, or else once the upstream has been asked."""

    async def does(line: Line, met: Met) -> None:
        await line.send(request(line.port))
        async with asyncio.timeout(20):
            await (line.until(mark) if mark else met.asked.wait())
        line.reset() if reset else line.close()

    return does


async def leaves_twice(line: Line, met: Met) -> None:
    """A FIN, on which the request is cancelled, and a RST while it ends."""
    await leaves()(line, met) if met.asked.is_set() else await sends()(line, met)
    await met.asked.wait()
    line.half_close()
    line.reset()


def stops_at(share: float, *, leaving: bool) -> Does:
    """In the middle of its request."""

    async def does(line: Line, met: Met) -> None:
        whole = request(line.port)
        await line.send(whole[: int(len(whole) * share)])
        if leaving:
            line.close()

    return does


async def drips(line: Line, met: Met) -> None:
    """A head that grows, and does not end."""
    await line.send(b"POST /v1/messages HTTP/1.1\r\n")
    dripping = asyncio.create_task(_drip(line))
    await line.until(b"408")
    dripping.cancel()


async def _drip(line: Line) -> None:
    while True:
        await line.send(b"X")
        await asyncio.sleep(0.01)  # its pace, not a wait


async def takes_nothing(line: Line, met: Met) -> None:
    await line.send(request(line.port))
    await met.asked.wait()
    if not await met.upstream.left(within=20):
        raise AssertionError("the upstream is held by a client that takes nothing")


async def takes_it_late(line: Line, met: Met) -> None:
    """Reads only once the upstream can write no more."""
    await line.send(request(line.port))
    await met.asked.wait()
    before = -1
    while before != met.written:  # until many turns of the loop bring nothing more
        before = met.written
        for _ in range(1000):
            await asyncio.sleep(0)
    line.open_window()


async def among_idle_ones(line: Line, met: Met) -> None:
    others = [await dialled(line.port).__aenter__() for _ in range(200)]
    await line.send(request(line.port))
    await line.answers()
    for other in others:
        other.close()


def pipelines(count: int) -> Does:
    async def does(line: Line, met: Met) -> None:
        await line.send(request(line.port) * count)

    return does


async def goes_on_after_a_refusal(line: Line, met: Met) -> None:
    await line.send(request(line.port, b"{"))
    await line.answers()
    await line.send(request(line.port))


async def says_more_than_its_length(line: Line, met: Met) -> None:
    await line.send(request(line.port) + b"and more\r\n\r\n")


def chunked(body: bytes, **headers: str) -> Does:
    async def does(line: Line, met: Met) -> None:
        whole = request(line.port, body, content_length=None, transfer_encoding="chunked", **headers)
        await line.send(whole)

    return does


async def expects_continue(line: Line, met: Met) -> None:
    head, _, body = request(line.port, expect="100-continue").partition(b"\r\n\r\n")
    await line.send(head + b"\r\n\r\n")
    await line.until(b"100 Continue")
    await line.send(body)


async def half_closes(line: Line, met: Met) -> None:
    await line.send(request(line.port))
    await met.asked.wait()
    line.half_close()
    if await line.rest():
        raise AssertionError("an answer came for a client that had closed its half")


def raw(sent: bytes) -> Does:
    async def does(line: Line, met: Met) -> None:
        await line.send(sent)

    return does
