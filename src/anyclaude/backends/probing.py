"""Asking nodes how they are: each in a task of its own, so that one that hangs delays none of the others.

The policies (`anyclaude.cluster`) say when; here they hear what came of it.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import Final

from anyclaude.backends.errands import Errands
from anyclaude.backends.node import NodeBackend
from anyclaude.cluster.member import Member
from anyclaude.cluster.members import Members
from anyclaude.cluster.node import Report
from anyclaude.cluster.routing import Routing
from anyclaude.errors import AnyclaudeError

_PATIENCE: Final = 120.0
"""Seconds without an answered probe that requests wait on at a node when no other is ready: a machine that is short of
memory may be that slow."""

log = logging.getLogger(__name__)


class Probing:
    """timeout: seconds for one probe. ended: called after each."""

    def __init__(
        self, members: Members, routing: Routing, errands: Errands, timeout: float, ended: Callable[[], None]
    ) -> None:
        self._members = members
        self._routing = routing
        self._errands = errands
        self._timeout = timeout
        self._ended = ended
        self._seen: set[str] = set()
        self._news = asyncio.Event()

    def begin(self, due: Iterable[Member], nodes: dict[str, NodeBackend]) -> None:
        """Probe these, except where a probe is under way."""
        for member in due:
            if (node := nodes.get(member.id)) is not None:
                self._errands.begin(_name(member.id), partial(self._probe, member, node))

    def forget(self, node: str) -> None:
        """It has left; what it still answers counts for nothing."""
        self._errands.drop(_name(node))
        self._seen.discard(node)

    async def seen(self, nodes: Collection[str]) -> None:
        """Return when each of these was probed. A view of the nodes is followed as it changes."""
        while not all(node in self._seen for node in nodes):
            self._news.clear()
            await self._news.wait()

    async def _probe(self, member: Member, node: NodeBackend) -> None:
        began = self._now()
        try:
            report = await node.report(self._timeout)
        except Exception as error:  # whatever a node answers, it is a probe that failed, and the policies hear of it
            self._missed(member, node, _reason(member.id, error))
        else:
            self._answered(member, node, report, began)
        finally:
            self._ended()

    def _missed(self, member: Member, node: NodeBackend, reason: str) -> None:
        if self._is_current(member):
            self._members.missed(member.id, reason, self._now())
            node.heard_of(member.health.up, self._is_given_up(member))
            self._was_seen(member)

    def _answered(self, member: Member, node: NodeBackend, report: Report, began: float) -> None:
        if self._is_current(member):
            self._members.probed(member.id, report, self._now())
            self._routing.reported(member.id, report, self._now(), self._now() - began)
            node.heard_of(report.state != "dead" and not member.health.lies)
            self._was_seen(member)

    def _was_seen(self, member: Member) -> None:
        self._seen.add(member.id)
        self._news.set()

    def _is_given_up(self, member: Member) -> bool:
        """Who waits at a node that is lost goes elsewhere, or gives up when there is no elsewhere and it lasts."""
        now = self._now()
        others = any(other.is_ready(now) for other in self._members if other is not member)
        return others or now - member.health.reported_at > _PATIENCE

    def _is_current(self, member: Member) -> bool:
        """Whether it has not left since; another may have come under its name."""
        return self._members.get(member.id) is member

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _reason(node: str, error: Exception) -> str:
    if isinstance(error, AnyclaudeError):
        return error.message
    log.error("the answer of node %s to a probe cannot be read", node, exc_info=error)
    return f"its answer cannot be read ({type(error).__name__}); the log says more"


def _name(node: str) -> str:
    return f"probing {node}"
