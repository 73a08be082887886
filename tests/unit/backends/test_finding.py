"""Who becomes a node, and who stays one: names that resolve, candidates that prove themselves, and floods of them."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Sequence

import pytest
from pydantic import SecretStr

from anyclaude.backends.candidates import Candidates, Pace, Place
from anyclaude.backends.finding import STALE, NodeFinder
from anyclaude.cluster.discovery import Change, Found, Known
from anyclaude.cluster.proof import Unproved
from anyclaude.config.upstreams import Discovery, Node
from anyclaude.errors import SetupError, UpstreamUnreachable

KEY = SecretStr("a secret of the household")
DEADLINE = 10.0
QUICK = Pace(again=60.0, wait=0.0, least=0.0, patience=3)


class Network:
    """What is at each address: an instance, or the error of who answers wrongly or not at all. `asked`: in order."""

    def __init__(self, **there: str | Exception) -> None:
        self.there: dict[str, str | Exception] = {name[1:].replace("_", "."): one for name, one in there.items()}
        self.asked: list[str] = []
        self.under_way = 0
        self.most_at_once = 0

    async def prove(self, host: str, port: int, key: SecretStr) -> str:
        assert key is KEY
        self.asked.append(host)
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= 1
        answer = self.there.get(host, UpstreamUnreachable("nothing answers there"))
        if isinstance(answer, Exception):
            raise answer
        return answer


class Heard:
    """The ids of nodes that came and went."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[str] = asyncio.Queue()

    def changed(self, changes: Sequence[Change]) -> None:
        for change in changes:
            self._queue.put_nowait(("+" if isinstance(change, Known) else "-") + change.found.node.id)

    def proved(self, source: str, found: Sequence[Found]) -> None:
        self._queue.put_nowait(f"{source}: {' '.join(one.node.id for one in found)}".rstrip())

    async def next(self) -> str:
        async with asyncio.timeout(DEADLINE):
            return await self._queue.get()

    @property
    def nothing(self) -> bool:
        return self._queue.empty()


async def until(reached: Callable[[], bool]) -> None:
    """Let the others run until it is so."""
    async with asyncio.timeout(DEADLINE):
        while not reached():  # noqa: ASYNC110 (what is looked at has no event)
            await asyncio.sleep(0)


def _at(*addresses: str, label: str = "mac") -> Place:
    return Place(label, addresses, 8081, "announced", token=KEY)


def _candidates(network: Network, heard: Heard, *, key: SecretStr | None = KEY, pace: Pace = QUICK) -> Candidates:
    return Candidates(key, network.prove, pace, heard.proved)


async def test_who_proves_himself_is_a_node_with_the_token() -> None:
    network, found = Network(_10_0_0_5="i1"), list[Found]()
    candidates = Candidates(KEY, network.prove, QUICK, lambda source, all_of_it: found.extend(all_of_it))
    candidates.offer("one", _at("10.0.0.5"))
    await until(lambda: bool(found))
    assert found == [Found(Node(id="mac@10.0.0.5:8081", url="http://10.0.0.5:8081", token=KEY), "announced", "i1")]
    await candidates.aclose()


async def test_who_does_not_is_none_however_often_he_is_asked() -> None:
    network, heard = Network(_10_0_0_5=Unproved("no")), Heard()
    candidates = _candidates(network, heard)
    candidates.offer("one", _at("10.0.0.5"))
    await until(lambda: len(network.asked) > 5)
    assert heard.nothing
    network.there["10.0.0.5"] = "i1"
    assert await heard.next() == "one: mac@10.0.0.5:8081"
    await candidates.aclose()


async def test_the_address_that_answers_is_the_nodes() -> None:
    network, heard = Network(_10_0_0_6="i1"), Heard()
    candidates = _candidates(network, heard)
    candidates.offer("one", _at("10.0.0.5", "10.0.0.6"))
    assert await heard.next() == "one: mac@10.0.0.6:8081"
    assert network.asked == ["10.0.0.5", "10.0.0.6"]
    await candidates.aclose()


async def test_a_wrong_proof_is_the_end_at_once_and_silence_is_not() -> None:
    network, heard = Network(_10_0_0_5="i1"), Heard()
    candidates = _candidates(network, heard, pace=Pace(again=0.0, wait=0.0, least=0.0, patience=3))
    candidates.offer("one", _at("10.0.0.5"))
    await heard.next()
    del network.there["10.0.0.5"]
    before = len(network.asked)
    assert await heard.next() == "one:"
    assert len(network.asked) >= before + 2
    network.there["10.0.0.5"] = "i1"
    await heard.next()
    network.there["10.0.0.5"] = Unproved("another key")
    assert await heard.next() == "one:"
    await candidates.aclose()


async def test_a_fault_of_ours_leaves_no_node_without_its_proof(caplog: pytest.LogCaptureFixture) -> None:
    network, heard = Network(_10_0_0_5="i1"), Heard()
    candidates = _candidates(network, heard, pace=Pace(again=0.0, wait=0.0, least=0.0))
    candidates.offer("one", _at("10.0.0.5"))
    assert await heard.next() == "one: mac@10.0.0.5:8081"
    network.there["10.0.0.5"] = ZeroDivisionError()
    assert await heard.next() == "one:"
    network.there["10.0.0.5"] = "i1"
    assert await heard.next() == "one: mac@10.0.0.5:8081"
    assert "the proof of mac failed by a fault of ours" in caplog.text
    await candidates.aclose()


async def test_a_node_is_asked_again_when_it_is_doubted_or_was_started_anew() -> None:
    network, heard = Network(_10_0_0_5="i1"), Heard()
    candidates = _candidates(network, heard)
    candidates.offer("one", _at("10.0.0.5"), "i1")
    await heard.next()
    candidates.offer("one", _at("10.0.0.5"), "i1")
    candidates.offer("one", _at("10.0.0.5"), None)
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(network.asked) == 1
    candidates.doubt("somebody else")
    candidates.doubt("mac@10.0.0.5:8081")
    await until(lambda: len(network.asked) == 2)
    network.there["10.0.0.5"] = "i2"
    candidates.offer("one", _at("10.0.0.5"), "i2")
    assert await heard.next() == "one: mac@10.0.0.5:8081"
    await candidates.aclose()


async def test_a_withdrawal_that_is_not_true_takes_no_node_away() -> None:
    """Anybody in the network can withdraw anybody's announcement."""
    network, heard = Network(_10_0_0_5="i1"), Heard()
    candidates = _candidates(network, heard)
    candidates.offer("one", _at("10.0.0.5"))
    await heard.next()
    candidates.withdraw("one")
    await until(lambda: len(network.asked) == 2)
    for _ in range(20):
        await asyncio.sleep(0)
    assert heard.nothing
    del network.there["10.0.0.5"]
    candidates.withdraw("one")
    assert await heard.next() == "one:"
    assert len(candidates) == 0
    await candidates.aclose()


async def test_without_a_key_the_address_is_believed_and_a_withdrawal_too() -> None:
    network, heard = Network(), Heard()
    candidates = _candidates(network, heard, key=None)
    candidates.offer("gpu", _at("10.0.0.5"))
    assert await heard.next() == "gpu: mac@10.0.0.5:8081"
    candidates.withdraw("gpu")
    assert await heard.next() == "gpu:"
    assert network.asked == []
    await candidates.aclose()


async def test_a_flood_is_bounded_and_keeps_no_worker_out_for_good() -> None:
    network, heard = Network(_10_0_0_5="i1"), Heard()
    candidates = _candidates(network, heard, pace=Pace(again=60.0, wait=60.0, least=0.0, patience=1))
    for number in range(2000):
        candidates.offer(f"evil {number}", _at(f"10.1.{number // 250}.{number % 250}"))
    assert len(candidates) == 32
    await until(lambda: len(network.asked) >= 32)
    await until(lambda: network.under_way == 0)
    candidates.offer("one", _at("10.0.0.5"))
    assert await heard.next() == "one: mac@10.0.0.5:8081"
    for number in range(2000, 4000):
        candidates.offer(f"evil {number}", _at(f"10.1.{number // 250}.{number % 250}"))
        await asyncio.sleep(0)
    assert (len(candidates), heard.nothing) == (32, True)
    assert network.most_at_once <= 4
    await candidates.aclose()


class Names:
    """What names resolve to."""

    def __init__(self, **names: list[str] | Exception) -> None:
        self.names = names
        self.asked = 0

    async def resolve(self, name: str, port: int) -> Sequence[str]:
        self.asked += 1
        await asyncio.sleep(0)
        answer = self.names.get(name, OSError("no such name"))
        if isinstance(answer, Exception):
            raise answer
        return answer


GPUS = Node(id="gpus", url="http://gpus:9/v1")


async def test_every_address_of_a_name_is_a_node() -> None:
    heard, names = Heard(), Names(gpus=["10.0.0.2", "10.0.0.1", "10.0.0.1", "fd00::1"])
    finder = NodeFinder(
        Discovery(found_by="dns", nodes=(GPUS,)), heard.changed, resolve=names.resolve, resolve_again=0.0
    )
    async with finder:
        assert [await heard.next() for _ in range(3)] == ["+gpus@10.0.0.1:9", "+gpus@10.0.0.2:9", "+gpus@fd00::1:9"]
        assert [one.node.url for one in finder.nodes][2] == "http://[fd00::1]:9/v1"
        assert await finder.first(0.0)
        names.names["gpus"] = ["10.0.0.2", "10.0.0.3"]
        assert sorted([await heard.next() for _ in range(3)]) == [
            "+gpus@10.0.0.3:9",
            "-gpus@10.0.0.1:9",
            "-gpus@fd00::1:9",
        ]


async def test_a_name_that_fails_keeps_its_addresses_for_a_while() -> None:
    heard, names = Heard(), Names(gpus=["10.0.0.1"])
    discovery = Discovery(found_by="dns", nodes=(GPUS,))
    async with NodeFinder(discovery, heard.changed, resolve=names.resolve, resolve_again=0.0):
        await heard.next()
        names.names["gpus"] = OSError("the resolver is away")
        before = names.asked
        assert await heard.next() == "-gpus@10.0.0.1:9"
        assert names.asked - before >= STALE - 1  # one was under way
        names.names["gpus"] = ["10.0.0.1"]
        assert await heard.next() == "+gpus@10.0.0.1:9"


@pytest.mark.parametrize("error", [OSError("the resolver is away"), UnicodeError("label empty or too long")])
async def test_a_name_that_never_resolved_is_asked_for_again(error: Exception) -> None:
    heard, names = Heard(), Names(gpus=error)
    discovery = Discovery(found_by="dns", nodes=(GPUS,))
    async with NodeFinder(discovery, heard.changed, resolve=names.resolve, resolve_again=0.0):
        await until(lambda: names.asked > 2)
        names.names["gpus"] = ["10.0.0.1"]
        assert await heard.next() == "+gpus@10.0.0.1:9"


async def test_the_addresses_of_a_name_are_bounded() -> None:
    heard, names = Heard(), Names(gpus=[f"10.0.{n}.1" for n in range(200)])
    discovery = Discovery(found_by="dns", nodes=(GPUS,))
    async with NodeFinder(discovery, heard.changed, resolve=names.resolve, resolve_again=0.0) as finder:
        await until(lambda: names.asked > 3)
        assert len(finder.nodes) == 32


async def test_with_a_key_the_addresses_of_a_name_prove_themselves_too() -> None:
    heard, names = Heard(), Names(gpus=["10.0.0.1", "10.0.0.2"])
    network = Network(_10_0_0_2="i2", _10_0_0_1=Unproved("no"))
    discovery = Discovery(found_by="dns", nodes=(GPUS,), key=KEY)
    finder = NodeFinder(discovery, heard.changed, resolve=names.resolve, prove=network.prove, pace=QUICK)
    async with finder:
        assert await heard.next() == "+gpus@10.0.0.2:9"
        assert [one.node.token for one in finder.nodes] == [KEY]
        assert heard.nothing


async def test_named_nodes_are_there_at_once() -> None:
    heard = Heard()
    async with NodeFinder(Discovery(nodes=(GPUS,)), heard.changed) as finder:
        assert await heard.next() == "+gpus"
        assert finder.nodes == (Found(GPUS),)
        assert await finder.first(0.0)


async def test_without_nodes_there_is_no_first_one() -> None:
    async with NodeFinder(Discovery(), Heard().changed) as finder:
        assert not await finder.first(0.0)


def test_nobody_pays_for_mdns_who_does_not_want_it() -> None:
    program = "import sys, anyclaude.backends.finding; assert 'zeroconf' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0


def test_what_announces_itself_needs_a_key() -> None:
    with pytest.raises(SetupError, match="set MLX_CLUSTER_KEY to their MLX_WORKER_TOKEN"):
        NodeFinder(Discovery(found_by="mdns"), Heard().changed)
