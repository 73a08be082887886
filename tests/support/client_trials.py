"""One row of the table of clients' faults, tried: an upstream, a backend, the proxy before it, and a client that fails.

await ClientTrial("cluster").run(fault)
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final, Literal

from anyclaude.backends.base import Backend
from anyclaude.backends.claude import ClaudeBackend
from anyclaude.backends.lmstudio import LMStudioBackend
from anyclaude.backends.mlx_cluster import MlxClusterBackend
from anyclaude.backends.router import Router
from anyclaude.config.model import Deadlines
from anyclaude.config.routes import Routes, Target
from anyclaude.config.upstreams import Claude, Discovery, Health, LMStudio, MlxCluster, Node
from anyclaude.server.connections import Patience
from anyclaude.server.serve import serving
from tests.support.client_scenarios import ClientFault, Does, Expected, Met, floods, takes_it_late, takes_nothing, well
from tests.support.clients import TOKEN
from tests.support.faulty_client import WHOLE, dialled, request
from tests.support.faulty_upstream import ANTHROPIC, OPENAI, Cuts, Scenario, Wire, faulty_upstream
from tests.support.oracle import Outcome, Seen, Violation, judge

ProxyKind = Literal["lmstudio", "cluster", "claude"]
PROXIES: Final[Sequence[ProxyKind]] = ("lmstudio", "cluster", "claude")

WITHIN: Final = 60.0
"""Seconds for a whole trial; nothing of it waits for a deadline of more than a moment."""

_PATIENT: Final = Deadlines(connect=5.0, first_event=90.0, progress=90.0, closing=90.0)


@dataclass(frozen=True, slots=True)
class ClientTrial:
    """cuts: how the client's bytes are cut into writes."""

    kind: ProxyKind
    cuts: Cuts = WHOLE

    def expected(self, fault: ClientFault) -> Expected | None:
        """None: the row says nothing about this kind of proxy."""
        return fault.claude if self.kind == "claude" else fault.expected

    async def run(self, fault: ClientFault) -> None:
        """Raises Violation when a client sees what it must not, or leaves something behind."""
        expected = self.expected(fault)
        assert expected is not None
        async with asyncio.timeout(WITHIN), self._met(fault) as met:
            seen = await self._answers(fault, expected, met)
            self._check(expected, [judge(one, within=WITHIN, relayed=self.kind == "claude") for one in seen])
            if not await met.upstream.left(within=5.0):
                raise Violation("a connection to the upstream was left open")
            asked, wanted = len(met.upstream.asked), self._asked(fault, expected)
            if wanted is not None and asked != wanted:
                raise Violation(f"the upstream was asked {asked} times where it should be {wanted}")
            await self._goes_on(fault, met)

    async def _answers(self, fault: ClientFault, expected: Expected, met: Met) -> list[Seen]:
        async with dialled(met.port, window=fault.window, cuts=self.cuts) as line:
            await fault.does(line, met)
            seen = await line.answers(len(expected)) if expected else []
            return await line.rest() if fault.closes else seen

    def _check(self, expected: Expected, outcomes: Sequence[Outcome]) -> None:
        found = [outcome.status if outcome.kind == "refused" else outcome.kind for outcome in outcomes]
        if found != list(expected):
            raise Violation(f"{found} where it should be {list(expected)}: {[one.said for one in outcomes]}")

    def _asked(self, fault: ClientFault, expected: Expected) -> int | None:
        return len([one for one in expected if one == "whole"]) or fault.asked

    async def _goes_on(self, fault: ClientFault, met: Met) -> None:
        """The next client gets its answer."""
        async with dialled(met.port) as line:
            await line.send(request(line.port))
            (seen,) = await line.answers()
            self._check(["whole"], [judge(seen, within=WITHIN, relayed=self.kind == "claude")])

    @asynccontextmanager
    async def _met(self, fault: ClientFault) -> AsyncIterator[Met]:
        """The first question is for the row's upstream, all others for one that is well."""
        met: Met
        first = fault.upstream

        async def play(wire: Wire) -> None:
            nonlocal first
            scenario, first = first or _flood(fault, met) or well, None
            met.asked.set()
            await scenario(wire)

        async with AsyncExitStack() as stack:
            says = ANTHROPIC if self.kind == "claude" else OPENAI
            upstream = await stack.enter_async_context(faulty_upstream(play, says, Cuts()))
            address = await stack.enter_async_context(proxy_before(self.kind, upstream.url, fault.patience))
            met = Met(address, upstream)
            yield met


def _flood(fault: ClientFault, met: Met) -> Scenario | None:
    """For the first question of a client that does not read."""
    sizes: dict[Does, int] = {takes_nothing: 1 << 40, takes_it_late: 16 * 1024 * 1024}
    size = sizes.get(fault.does)
    return floods(met, size) if size and not met.asked.is_set() else None


@asynccontextmanager
async def proxy_before(kind: ProxyKind, url: str, patience: Patience) -> AsyncIterator[int]:
    """The port of a proxy of that kind before an upstream."""
    async with serving(_backend(kind, url), TOKEN, drain=0, patience=patience) as address:
        yield address.port


def _backend(kind: ProxyKind, url: str) -> Backend:
    match kind:
        case "lmstudio":
            return LMStudioBackend(LMStudio(url=url), "m", _PATIENT)
        case "claude":
            claude = ClaudeBackend(Claude(url=url.removesuffix("/v1")), _PATIENT)
            return Router({"claude": claude}, Routes(Target("claude")))
        case "cluster":
            settings = MlxCluster(
                discovery=Discovery(nodes=(Node(id="n", url=url.removesuffix("/v1")),)),
                health=Health(check_interval_ms=60_000, timeout_ms=15_000),
            )
            return MlxClusterBackend(settings, None, _PATIENT)
