"""Asking the nodes of the settings how they are, all at once and without a proxy.

A node that does not answer is one that was seen in that state, and no error.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

from anyclaude.backends.finding import NodeFinder
from anyclaude.backends.node import NodeBackend
from anyclaude.cli.cluster_proxies import Together, together
from anyclaude.cli.cluster_seen import Seen
from anyclaude.cli.proxies import ask_proxies
from anyclaude.cluster.node import Report
from anyclaude.config.drained import address_of, drained_nodes
from anyclaude.config.model import Settings
from anyclaude.config.upstreams import Node
from anyclaude.errors import AnyclaudeError, SetupError, UpstreamRefusedUs

AGAIN: Final = 2.0
DEADLINE: Final = 5.0
FINDING: Final = 3.0
"""Seconds: between two looks, for a node to answer, and for nodes to be found that are not named."""

Nodes = Callable[[], list[NodeBackend]]


@dataclass(frozen=True, slots=True)
class Look:
    """How the nodes are, and what running proxies see of them."""

    nodes: list[Seen]
    proxies: Together


async def look_once(settings: Settings) -> Look:
    """How each node is now. Raises SetupError where there is none."""
    async with _open(settings) as nodes:
        return await _look_at_all(nodes(), settings, DEADLINE)


async def look_again(settings: Settings, show: Callable[[Look], None]) -> None:
    """Look every two seconds, for ever."""
    clock = asyncio.get_running_loop().time
    async with _open(settings) as nodes:
        while True:
            began = clock()
            show(await _look_at_all(nodes(), settings, AGAIN))
            await asyncio.sleep(max(0.0, began + AGAIN - clock()))


async def _look_at_all(nodes: Sequence[NodeBackend], settings: Settings, deadline: float) -> Look:
    seen, told = await asyncio.gather(_look(nodes, settings, deadline), ask_proxies(settings.home))
    proxies = together(one.status for one in told)
    return Look([replace(one, by_proxies=proxies.nodes.get(one.url)) for one in seen], proxies)


async def _look(nodes: Sequence[NodeBackend], settings: Settings, deadline: float) -> list[Seen]:
    drained = drained_nodes(settings.home)
    return await asyncio.gather(*(_seen(node, address_of(node.node) in drained, deadline) for node in nodes))


async def _seen(node: NodeBackend, drained: bool, deadline: float) -> Seen:
    name, url = node.node.id, address_of(node.node)
    try:
        async with asyncio.timeout(deadline):
            report = await node.report(deadline)
    except TimeoutError:
        return Seen(name, url, "lost", None, f"it does not answer within {deadline:g} s", drained)
    except UpstreamRefusedUs as error:
        return Seen(name, url, "locked", None, error.message, drained)
    except Exception as error:  # whatever a node answers, the others are shown all the same
        said = error.message if isinstance(error, AnyclaudeError) else f"it cannot be read: {type(error).__name__}"
        return Seen(name, url, "lost", None, said, drained)
    state, problem = _state(report)
    return Seen(name, url, "drained" if drained and state == "ready" else state, report, problem, drained)


def _state(report: Report) -> tuple[str, str]:
    if report.state == "dead":
        return "dead", "it says that it is dead; its own log says why"
    return report.state, ""


async def warm_all(settings: Settings, system: str) -> dict[str, str | None]:
    """For each node that is ready what stands against it, None where nothing does. Raises SetupError for none."""
    async with _open(settings) as nodes:
        there = nodes()
        seen = await _look(there, settings, DEADLINE)
        ready = [(node, one) for node, one in zip(there, seen, strict=True) if one.ready]
        if not ready:
            raise SetupError("no node is ready; `anyclaude cluster status` says why")
        problems = await asyncio.gather(*(_warmed(node, one, system) for node, one in ready))
        return {one.node: problem for (_, one), problem in zip(ready, problems, strict=True)}


async def _warmed(node: NodeBackend, seen: Seen, system: str) -> str | None:
    if seen.report is None or seen.report.instance is None:
        return "it is no mlx_worker, so it cannot be told to compute ahead"
    try:
        await node.warm(system, (), DEADLINE)
    except AnyclaudeError as error:
        return error.message
    return None


async def known(settings: Settings) -> list[Node]:
    """Those that are named, and those that can be found now. Raises SetupError."""
    async with _open(settings) as nodes:
        return [node.node for node in nodes()]


@asynccontextmanager
async def _open(settings: Settings) -> AsyncIterator[Nodes]:
    """The nodes of now, whenever it is called. Raises SetupError where none is named and none is looked for."""
    cluster = settings.backends.mlx_cluster
    if cluster.is_empty:
        raise SetupError("the cluster has no node; name some in MLX_CLUSTER_NODES or mlx-cluster.json")
    opened: dict[Node, NodeBackend] = {}
    async with NodeFinder(cluster.discovery, lambda changes: None) as finder:

        def nodes() -> list[NodeBackend]:
            for node in (found.node for found in finder.nodes):
                if node not in opened:
                    opened[node] = NodeBackend(node, settings.model, settings.deadlines, settings.profiles)
            return [opened[found.node] for found in finder.nodes]

        try:
            if cluster.discovery.found_by != "static":
                await asyncio.sleep(FINDING)
            yield nodes
        finally:
            await asyncio.gather(*(node.aclose() for node in opened.values()))
