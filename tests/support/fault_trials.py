"""One row of the tables of faults, tried: an upstream that fails, a backend, the proxy before it, a client, the oracle.

await Trial("cluster", Cuts("bytes")).run(fault)
"""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import SecretStr

from anyclaude.backends.base import Backend
from anyclaude.backends.claude import ClaudeBackend
from anyclaude.backends.lmstudio import LMStudioBackend
from anyclaude.backends.mlx_cluster import MlxClusterBackend
from anyclaude.backends.openrouter import OpenRouterBackend
from anyclaude.backends.router import Router
from anyclaude.config.model import Deadlines
from anyclaude.config.routes import Routes, Target
from anyclaude.config.upstreams import Claude, Discovery, Health, LMStudio, MlxCluster, Node, OpenRouter, Routing
from anyclaude.server.serve import serving
from tests.support.chunk_faults import TOOL
from tests.support.clients import TOKEN
from tests.support.fault_scenarios import KEY
from tests.support.faulty_upstream import ANTHROPIC, OPENAI, Cuts, FaultyUpstream, Scenario, Wire, faulty_upstream
from tests.support.oracle import Kind, Outcome, Seen, Violation, judge, observe
from tests.support.ports import HeldPort
from tests.support.upstream_faults import Fault

BackendKind = Literal["lmstudio", "openrouter", "cluster", "claude"]
KINDS: Final[Sequence[BackendKind]] = ("lmstudio", "openrouter", "cluster", "claude")

WITHIN: Final = 25.0
"""Seconds for a whole exchange. No deadline of the product is longer in a trial, so who waits longer hangs."""

_LONG: Final = WITHIN + 20
DEADLINES: Final[Mapping[str, Deadlines]] = {
    "": Deadlines(connect=5.0, first_event=_LONG, progress=_LONG, closing=_LONG),
    "event": Deadlines(connect=5.0, first_event=0.15, progress=0.15, closing=0.05),
    "end": Deadlines(connect=5.0, first_event=_LONG, progress=_LONG, closing=0.05),
}
"""By what a row waits for; of what it does not wait for they are longer than the trial."""

_AMONG_GOOD_ONES: Final = 0.5
"""Seconds for a node that does not answer, where those that are well have to answer within the same."""

_NODES: Final = 3
_HEADERS: Final = {
    "Content-Type": "application/json",
    "x-anyclaude-token": TOKEN,
    "x-claude-code-session-id": "a-session",
}
_BODY: Final = {
    "model": "claude-opus-4-8",
    "max_tokens": 64,
    "messages": [{"role": "user", "content": "Hi"}],
    "tools": [{"name": TOOL, "input_schema": {"type": "object", "properties": {"command": {"type": "string"}}}}],
}


@dataclass(frozen=True, slots=True)
class Trial:
    """stream: whether the client asks for a stream. home: where a backend may keep what it learnt.

    one_bad: of a cluster's nodes only the one that is asked first fails, as a row says; the others are well.
    """

    kind: BackendKind
    cuts: Cuts
    stream: bool = True
    home: Path = Path("/nonexistent")
    one_bad: bool = False

    def expected(self, fault: Fault) -> Kind | None:
        """What must come of a row; None: it says nothing about this backend."""
        if self.kind == "claude":
            return fault.claude if self.stream else None
        if self.one_bad and fault.openai == "refused":
            return "refused" if fault.status == 400 else "whole"  # a wrong request is wrong everywhere
        if fault.openai == "error event" and not self.stream:
            return "refused"
        return fault.openai

    async def run(self, fault: Fault) -> Outcome:
        """Raises Violation when a client would see what it must not."""
        async with self._asked(fault) as (url, upstreams):
            seen, outcome = await asked(url, self.kind, self.stream)
            self._check(fault, outcome)
            if self.kind != "cluster":
                _check_headers(fault, seen.headers)
            for upstream in upstreams:
                if not await upstream.left(within=5.0):
                    raise Violation("a connection to the upstream was left open")
        return outcome

    @asynccontextmanager
    async def _asked(self, fault: Fault) -> AsyncIterator[tuple[str, Sequence[FaultyUpstream]]]:
        async with AsyncExitStack() as stack:
            says = ANTHROPIC if self.kind == "claude" else OPENAI
            nobody = stack.enter_context(HeldPort())
            upstreams, urls = list[FaultyUpstream](), [fault.at.format(nobody=nobody.number)] if fault.at else []
            for number, play in enumerate(self._plays(fault)):
                cuts = replace(self.cuts, seed=self.cuts.seed + number)
                upstreams.append(await stack.enter_async_context(faulty_upstream(play, says, cuts)))
                urls.append(upstreams[-1].url)
            backend = backend_of(self.kind, urls, self._deadlines(fault), self.home)
            address = await stack.enter_async_context(serving(backend, TOKEN, drain=0))
            yield address.url, upstreams

    def _deadlines(self, fault: Fault) -> Deadlines:
        deadlines = DEADLINES[fault.waits]
        longer = {"first_event": _AMONG_GOOD_ONES, "progress": _AMONG_GOOD_ONES}
        return deadlines.model_copy(update=longer) if self.one_bad and fault.waits == "event" else deadlines

    def _plays(self, fault: Fault) -> Sequence[Scenario]:
        """What each server does. Of nodes of which one is bad, nobody knows which is asked first."""
        if self.one_bad:
            play = _once(fault.play) if fault.play else well
            return [play] * (_NODES if fault.play else _NODES - 1)
        return [fault.play] * (_NODES if self.kind == "cluster" else 1) if fault.play else []

    def _check(self, fault: Fault, outcome: Outcome) -> None:
        expected = self.expected(fault)
        told = outcome.kind == "refused" and expected in ("error event", "broken")  # before the answer had begun
        elsewhere = self.one_bad and outcome.kind == "whole" and expected == "error event"  # for the same reason
        if outcome.kind != expected and not (told or elsewhere):
            raise Violation(f"{outcome.kind} where it should be {expected}: {outcome}")
        one = self.kind not in ("cluster", "claude")  # a cluster says what its nodes came to, Claude what it wants
        if outcome.kind == "refused" and one and outcome.status != (fault.status or outcome.status):
            raise Violation(f"status {outcome.status} where it should be {fault.status}: {outcome.said}")
        if outcome.kind == "whole" and (fault.openai == "whole" or self.one_bad):
            _check_content(fault, outcome)


async def well(wire: Wire) -> None:
    await wire.stream(wire.says.answer)


def _once(bad: Scenario) -> Scenario:
    """The first question is for the bad one, all others, wherever they are asked, for one that is well."""
    left = [bad]

    async def play(wire: Wire) -> None:
        await (left.pop() if left else well)(wire)

    return play


async def asked(url: str, kind: BackendKind, stream: bool = True) -> tuple[Seen, Outcome]:
    """One question to a proxy, and what came of it. Raises Violation."""
    body = json.dumps({**_BODY, "stream": stream}).encode()
    seen = await observe(f"{url}/v1/messages", _HEADERS, body, within=WITHIN)
    outcome = judge(seen, within=WITHIN, relayed=kind == "claude")
    if kind != "claude" and KEY.encode() in seen.body:
        raise Violation("the client was told the upstream's key")
    return seen, outcome


def backend_of(kind: BackendKind, urls: Sequence[str], deadlines: Deadlines, home: Path) -> Backend:
    """A backend before one upstream, or before several nodes."""
    key = SecretStr(KEY)
    match kind:
        case "lmstudio":
            return LMStudioBackend(LMStudio(url=urls[0], api_key=key), "m", deadlines)
        case "openrouter":
            return OpenRouterBackend(OpenRouter(url=urls[0], api_key=key), "m", deadlines, home)
        case "claude":
            claude: Backend = ClaudeBackend(Claude(url=urls[0], api_key=key), deadlines)
            return Router({"claude": claude}, Routes(Target("claude")))
    nodes = tuple(Node(id=f"n{number}", url=url, token=key) for number, url in enumerate(urls))
    settings = MlxCluster(
        discovery=Discovery(nodes=nodes),
        routing=Routing(retry_delay_ms=0, max_wait_ms=50),
        health=Health(check_interval_ms=60_000, timeout_ms=15_000),
    )
    return MlxClusterBackend(settings, None, deadlines)


def _check_headers(fault: Fault, headers: Mapping[str, str]) -> None:
    for name, value in (fault.headers or {}).items():
        if headers.get(name) != value:
            raise Violation(f"{name}: {headers.get(name)!r} where it should be {value!r}")


def _check_content(fault: Fault, outcome: Outcome) -> None:
    if not outcome.message:
        said = "".join(event.get("delta", {}).get("text", "") for event in outcome.events)
        found: Any = [{"type": "text", "text": said}]
    else:
        found = outcome.message["content"]
    if fault.blocks is not None:
        if found != list(fault.blocks):
            raise Violation(f"the answer is {found} where it should be {list(fault.blocks)}")
    elif fault.says is not None and found != [{"type": "text", "text": fault.says}]:
        raise Violation(f"the answer is {found} where it should be {fault.says!r}")
