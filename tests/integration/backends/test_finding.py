"""Workers that announce themselves on loopback, a proxy that listens, and those who lie to it.

Other tests may announce on the same loopback at the same time, so every cluster here has a key of its own.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from urllib.parse import urlsplit

import httpx
import pytest
from aiohttp import web
from pydantic import SecretStr
from zeroconf._dns import DNSPointer
from zeroconf._protocol.outgoing import DNSOutgoing
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf
from zeroconf.const import _CLASS_IN, _FLAGS_AA, _FLAGS_QR_RESPONSE, _TYPE_PTR

from anyclaude.backends.candidates import Pace
from anyclaude.backends.finding import NodeFinder, resolve
from anyclaude.backends.proving import prove
from anyclaude.cluster.discovery import Change, Known
from anyclaude.cluster.proof import Unproved
from anyclaude.config.upstreams import Discovery, Node
from anyclaude.errors import UpstreamUnreachable
from anyclaude.wire.announcement import TYPE, pairs_of
from mlx_worker.fake_engine import FakeEngine
from mlx_worker.settings import Settings
from tests.support.worker import serving

LOOPBACK = ["127.0.0.1"]
DEADLINE = 30.0
QUICK = Pace(again=0.2, wait=0.2, least=0.05, patience=2)


@pytest.fixture
def key() -> SecretStr:
    return SecretStr(secrets.token_hex(16))


class Heard:
    """What the finder told: "+" or "-" and the port of the node."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[tuple[str, int]] = asyncio.Queue()

    def changed(self, changes: Sequence[Change]) -> None:
        for change in changes:
            sign = "+" if isinstance(change, Known) else "-"
            self._queue.put_nowait((sign, urlsplit(change.found.node.url).port or 0))

    async def next(self) -> tuple[str, int]:
        async with asyncio.timeout(DEADLINE):
            return await self._queue.get()


class Prover:
    """The real proof, watched: which addresses were asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int, key: SecretStr) -> str:
        self.asked.append((host, port))
        return await prove(host, port, key)


def finder_of(key: SecretStr, heard: Heard, prover: Prover | None = None) -> NodeFinder:
    discovery = Discovery(found_by="mdns", key=key)
    return NodeFinder(discovery, heard.changed, prove=prover or prove, interfaces=LOOPBACK, pace=QUICK)


@contextmanager
def worker(key: SecretStr, engine: FakeEngine | None = None, *, announce: bool = True) -> Iterator[int]:
    """Its port. All workers of this process are one instance."""
    with serving(engine or FakeEngine(), Settings(token=key, announce=announce)) as url:
        yield urlsplit(url).port or 0


@asynccontextmanager
async def announcer(*services: AsyncServiceInfo) -> AsyncIterator[AsyncZeroconf]:
    """Somebody else in the network."""
    zeroconf = AsyncZeroconf(interfaces=LOOPBACK)
    try:
        for service in services:
            await (await zeroconf.async_register_service(service, cooperating_responders=True))
        yield zeroconf
    finally:
        await zeroconf.async_close()


def _service(label: str, port: int, *addresses: str) -> AsyncServiceInfo:
    pairs = pairs_of("qwen", "i1")
    host = f"{label}-{secrets.token_hex(4)}.local."
    return AsyncServiceInfo(
        TYPE, f"{label}-{port}.{TYPE}", port, properties=pairs, server=host, parsed_addresses=list(addresses)
    )


async def test_a_worker_comes_and_goes(key: SecretStr) -> None:
    heard = Heard()
    async with finder_of(key, heard) as finder:
        with worker(key) as port:
            assert await heard.next() == ("+", port)
            assert [one.node.token for one in finder.nodes] == [key]
            assert await finder.first(0.0)
        assert await heard.next() == ("-", port)
        assert finder.nodes == ()


async def test_a_worker_that_was_there_before(key: SecretStr) -> None:
    heard = Heard()
    with worker(key) as port:
        async with finder_of(key, heard):
            assert await heard.next() == ("+", port)
        async with finder_of(key, heard):
            assert await heard.next() == ("+", port)


async def test_a_worker_that_has_to_be_asked_for_its_address(key: SecretStr, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AsyncServiceInfo, "load_from_cache", lambda self, zeroconf: False)
    heard = Heard()
    with worker(key) as port:
        async with finder_of(key, heard):
            assert await heard.next() == ("+", port)


@pytest.mark.parametrize("error", [OSError(19, "No such device"), RuntimeError("No interfaces to listen on")])
async def test_a_machine_without_multicast_has_the_nodes_that_are_named(
    error: Exception, key: SecretStr, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(**options: object) -> None:
        raise error

    monkeypatch.setattr("anyclaude.backends.mdns.AsyncZeroconf", refused)
    named = Node(id="one", url="http://127.0.0.1:9")
    discovery = Discovery(found_by="mdns", key=key, nodes=(named,))
    async with NodeFinder(discovery, Heard().changed) as finder:
        assert [one.node for one in finder.nodes] == [named]
    assert f"this machine hears no announcements ({error})" in caplog.text


async def test_a_node_that_is_doubted_proves_itself_again(key: SecretStr) -> None:
    heard, prover = Heard(), Prover()
    discovery = Discovery(found_by="mdns", key=key)
    seldom = Pace(again=3600.0, wait=0.2, least=0.0)
    with worker(key) as port:
        finder = NodeFinder(discovery, heard.changed, prove=prover, interfaces=LOOPBACK, pace=seldom)
        async with finder:
            await heard.next()
            asked = prover.asked.count(("127.0.0.1", port))
            finder.doubt(finder.nodes[0].node.id)
            await _until(lambda: prover.asked.count(("127.0.0.1", port)) > asked)


async def test_the_resolver_of_this_machine() -> None:
    assert set(await resolve("localhost", 80)) <= {"127.0.0.1", "::1"}
    with pytest.raises(OSError, match=r"."):
        await resolve("no-such-name.invalid", 80)


async def test_a_worker_is_withdrawn_as_soon_as_it_drains(key: SecretStr) -> None:
    """From then on only its own proofs keep it a node; what it is asked is for health to say."""
    gone = asyncio.Event()
    engine = FakeEngine()
    with worker(key, engine) as port:
        async with announcer() as zeroconf, _listening(zeroconf, f"-{port}.", gone):
            engine.drain()
            async with asyncio.timeout(DEADLINE):
                await gone.wait()


@asynccontextmanager
async def _listening(zeroconf: AsyncZeroconf, part: str, gone: asyncio.Event) -> AsyncIterator[None]:
    """Sets `gone` when the announcement with that in its name has come and is gone again; enters when it has come."""
    from_browser: asyncio.Queue[str] = asyncio.Queue()

    class Listener:
        def add_service(self, zc: object, kind: str, name: str) -> None:
            if part in name:
                from_browser.put_nowait(name)

        def remove_service(self, zc: object, kind: str, name: str) -> None:
            if part in name:
                gone.set()

        def update_service(self, zc: object, kind: str, name: str) -> None: ...

    await zeroconf.async_add_service_listener(TYPE, Listener())  # type: ignore[arg-type]
    async with asyncio.timeout(DEADLINE):
        await from_browser.get()
    yield


async def test_who_does_not_know_the_key_is_no_node(key: SecretStr, caplog: pytest.LogCaptureFixture) -> None:
    heard, other = Heard(), SecretStr(secrets.token_hex(16))
    async with finder_of(key, heard) as finder:
        with worker(other) as stranger, worker(key) as port:
            assert await heard.next() == ("+", port)
            await _until(lambda: f"127.0.0.1:{stranger} does not know the cluster's key" in caplog.text)
            assert [urlsplit(one.node.url).port for one in finder.nodes] == [port]


async def _until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not reached():  # noqa: ASYNC110 (what is looked at has no event)
            await asyncio.sleep(0.01)


async def test_public_addresses_are_not_even_asked(key: SecretStr) -> None:
    heard, prover = Heard(), Prover()
    async with (
        finder_of(key, heard, prover),
        announcer(_service("evil", 81, "8.8.8.8"), _service("evil", 82, "100.64.0.1")),
    ):
        with worker(key) as port:
            assert await heard.next() == ("+", port)
    assert {host for host, _ in prover.asked} == {"127.0.0.1"}


async def test_a_flood_of_announcements_keeps_no_worker_out(key: SecretStr) -> None:
    heard, prover = Heard(), Prover()
    async with announcer() as zeroconf, finder_of(key, heard, prover) as finder:
        for start in range(0, 3000, 50):
            flood = DNSOutgoing(_FLAGS_QR_RESPONSE | _FLAGS_AA)
            for number in range(start, start + 50):
                flood.add_answer_at_time(DNSPointer(TYPE, _TYPE_PTR, _CLASS_IN, 4500, f"evil-{number}.{TYPE}"), 0)
            zeroconf.zeroconf.async_send(flood)
            await asyncio.sleep(0)
        with worker(key) as port:
            assert await heard.next() == ("+", port)
        assert len(finder.nodes) == 1
    assert {asked for asked in prover.asked if asked[1] == port} == {("127.0.0.1", port)}


@asynccontextmanager
async def impostor(answer: Callable[[web.Request], object]) -> AsyncIterator[tuple[int, list[web.Request]]]:
    """Somebody who answers proofs as he likes, and keeps what he was sent."""
    asked: list[web.Request] = []

    async def reply(request: web.Request) -> web.StreamResponse:
        asked.append(request)
        told = answer(request)
        told = await told if asyncio.iscoroutine(told) else told
        return told if isinstance(told, web.StreamResponse) else web.json_response(told)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", reply)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1], asked
    finally:
        await runner.cleanup()


async def test_a_question_that_is_handed_on_to_a_real_worker_proves_nothing(key: SecretStr) -> None:
    with worker(key, announce=False) as real:

        async def relay(request: web.Request) -> object:
            async with httpx.AsyncClient(trust_env=False) as client:
                headers = {"host": request.headers["host"]}
                answer = await client.post(f"http://127.0.0.1:{real}{request.path_qs}", headers=headers)
            return answer.json()

        async def relay_as_its_own(request: web.Request) -> object:
            told = await relay(request)
            assert isinstance(told, dict)
            return {**told, "address": request.headers["host"]}

        async with impostor(relay) as (port, asked):
            with pytest.raises(Unproved, match="hands questions on to another address"):
                await prove("127.0.0.1", port, key)
        async with impostor(relay_as_its_own) as (port, more):
            with pytest.raises(Unproved, match="does not know the cluster's key"):
                await prove("127.0.0.1", port, key)
    for request in (*asked, *more):
        assert "authorization" not in request.headers
        assert key.get_secret_value() not in f"{request.path_qs}{dict(request.headers)}"


async def test_who_announces_himself_without_the_key_gets_nothing_but_questions(key: SecretStr) -> None:
    heard = Heard()
    with worker(key, announce=False) as real:

        async def relay(request: web.Request) -> object:
            async with httpx.AsyncClient(trust_env=False) as client:
                return (await client.post(f"http://127.0.0.1:{real}{request.path_qs}")).json()

        async with (
            impostor(relay) as (port, asked),
            announcer(_service("evil", port, "127.0.0.1")),
            finder_of(key, heard) as finder,
        ):
            await _until(lambda: len(asked) >= 3)
            assert finder.nodes == ()
    for request in asked:
        assert (request.method, request.path) == ("POST", "/cluster/proof")
        assert key.get_secret_value() not in f"{request.path_qs}{dict(request.headers)}"
        assert "authorization" not in request.headers
    assert len({request.path_qs for request in asked}) == len(asked)


async def test_what_was_recorded_proves_nothing_later(key: SecretStr) -> None:
    """Not even on the port where it was recorded, when somebody else has it now."""
    recorded: list[object] = []
    with worker(key, announce=False) as port:
        assert await prove("127.0.0.1", port, key)
        async with httpx.AsyncClient(trust_env=False) as client:
            recorded.append((await client.post(f"http://127.0.0.1:{port}/cluster/proof?nonce={'0' * 64}")).json())
    async with impostor(lambda request: recorded[0]) as (port, _):
        with pytest.raises(Unproved):
            await prove("127.0.0.1", port, key)


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(text="hello"),
        web.Response(status=404, text="{}", content_type="application/json"),
        web.Response(status=401),
        web.Response(status=200),
        web.Response(text='{"nonce": "\\ud800", "proof": "\\ud800"}', content_type="application/json"),
        web.Response(text="[" * 2000, content_type="application/json"),
    ],
)
async def test_another_server_is_no_worker(answer: web.Response, key: SecretStr) -> None:
    async with impostor(lambda request: answer) as (port, _):
        with pytest.raises(Unproved, match="does not answer like a worker"):
            await prove("127.0.0.1", port, key)


async def test_an_endless_answer_is_not_read_to_its_end(key: SecretStr) -> None:
    async with impostor(lambda request: web.Response(body=b" " * 1_000_000)) as (port, _):
        with pytest.raises(Exception, match="answered with more than 4096 bytes"):
            await prove("127.0.0.1", port, key)


async def test_nobody_there(key: SecretStr) -> None:
    async with impostor(lambda request: {}) as (port, _):
        pass
    with pytest.raises(UpstreamUnreachable):
        await prove("127.0.0.1", port, key)
