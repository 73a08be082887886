"""Faults of a client, against the worker's own server: a row for each, with what has to come of it."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from mlx_worker import intake
from mlx_worker.connections import Connection
from mlx_worker.events import TextPiece
from mlx_worker.fake_engine import HELLO, FakeEngine
from tests.support.faulty_client import SMALL_WINDOW, Line, dialled, in_chunks, request
from tests.support.oracle import quiet_log
from tests.support.worker import serving

PATH = "/v1/chat/completions"
ASK = json.dumps({"messages": [{"role": "user", "content": "Hi"}], "stream": True}).encode()
LONG = tuple(TextPiece("x" * 100_000) for _ in range(300))
WITHIN = 20.0


class Quick(Connection):
    head_seconds = 0.3
    taking_seconds = 0.3


@dataclass(frozen=True)
class Fault:
    """statuses: of the answers, in their order. closes: the worker ends the connection behind them."""

    name: str
    does: Callable[[Line], Awaitable[None]]
    statuses: Sequence[int]
    closes: bool = False
    connection: type[Connection] = Connection


def asks(body: bytes = ASK, **how: str | None) -> Callable[[Line], Awaitable[None]]:
    return lambda line: line.send(request(line.port, body, path=PATH, **how))  # type: ignore[arg-type]


def raw(sent: bytes) -> Callable[[Line], Awaitable[None]]:
    return lambda line: line.send(sent)


async def asks_five_times(line: Line) -> None:
    await line.send(request(line.port, ASK, path=PATH) * 5)


async def goes_on_after_a_refusal(line: Line) -> None:
    await line.send(request(line.port, b"{", path=PATH))
    await line.answers()
    await line.send(request(line.port, ASK, path=PATH))


async def stops_in_its_body(line: Line) -> None:
    await line.send(request(line.port, ASK, path=PATH)[:-5])


async def waits_for_100(line: Line) -> None:
    head, _, body = request(line.port, ASK, path=PATH, expect="100-continue").partition(b"\r\n\r\n")
    await line.send(head + b"\r\n\r\n")
    await line.until(b"100")
    await line.send(body)


FAULTS = (
    Fault("C5 five requests at once", asks_five_times, [200] * 5),
    Fault("C5 goes on after a refusal", goes_on_after_a_refusal, [400, 200]),
    Fault("C6 a body that stops", stops_in_its_body, [408]),
    Fault("C6 in chunks of a byte", asks(in_chunks(ASK, 1), content_length=None, transfer_encoding="chunked"), [200]),
    Fault("C6 a chunk without a size", asks(b"zz\r\n", content_length=None, transfer_encoding="chunked"), [400], True),
    Fault("C6 gzip, which nobody asked for", asks(b"\x1f\x8b\x08", content_encoding="gzip"), [400]),
    Fault("C9 waits for 100", waits_for_100, [200]),
    Fault("C11 nothing at all", raw(b""), [408], True, Quick),
    Fault("C11 a head that stops", raw(b"POST /v1/chat/completions HTTP/1.1\r\nHost: "), [408], True, Quick),
    Fault("C8 no HTTP", raw(b"\x16\x03\x01\x02\x00\r\n\r\n"), [400], True),
    Fault("C8 a head that is too long", raw(b"GET / HTTP/1.1\r\nx: " + b"y" * 200_000), [400], True),
)


@contextmanager
def worker(engine: FakeEngine, connection: type[Connection] = Connection) -> Iterator[int]:
    """The port of one."""
    with serving(engine, connection=connection) as url:
        yield urlsplit(url).port or 0


@pytest.fixture(scope="module")
def ports() -> Iterator[Mapping[type[Connection], int]]:
    with worker(FakeEngine(HELLO)) as patient, worker(FakeEngine(HELLO), Quick) as quick:
        yield {Connection: patient, Quick: quick}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_a_fault(fault: Fault, ports: Mapping[type[Connection], int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "BODY_SECONDS", 0.3)
    port = ports[fault.connection]
    with quiet_log():
        async with asyncio.timeout(WITHIN), dialled(port) as line:
            await fault.does(line)
            seen = await (line.rest() if fault.closes else line.answers(len(fault.statuses)))
        for name in ("head_seconds", "taking_seconds"):
            monkeypatch.setattr(Quick, name, WITHIN)  # for whoever is well, however busy the machine is
        monkeypatch.setattr(intake, "BODY_SECONDS", WITHIN)
        assert [one.status for one in seen] == fault.statuses
        for one in seen:
            assert one.status == 200 or json.loads(one.body)["error"]["message"]
        async with asyncio.timeout(WITHIN), dialled(port) as line:
            await asks()(line)
            assert b"[DONE]" in (await line.answers())[0].body


@pytest.mark.parametrize("how", ["close", "reset", "half_close"])
async def test_who_leaves_in_mid_answer_cancels_it(how: str) -> None:
    engine = FakeEngine(HELLO[:2])  # it does not end by itself
    with quiet_log(), worker(engine) as port:
        async with asyncio.timeout(WITHIN), dialled(port) as line:
            await asks()(line)
            await line.until(b"Hello")
            getattr(line, how)()
            assert await asyncio.to_thread(engine.tickets[0].cancelled.wait, WITHIN)


async def test_who_takes_nothing_is_let_go() -> None:
    engine = FakeEngine(LONG)
    with quiet_log(), worker(engine, Quick) as port:
        async with asyncio.timeout(WITHIN), dialled(port, window=SMALL_WINDOW) as line:
            await asks()(line)
            assert await asyncio.to_thread(engine.submitted.wait, WITHIN)
            assert await asyncio.to_thread(engine.tickets[0].cancelled.wait, WITHIN)
