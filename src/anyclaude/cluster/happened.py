"""How often what has happened to which node: the lifecycle's changes, counted on their way to whoever follows them."""

from collections import Counter
from collections.abc import Mapping
from typing import Final

from anyclaude.cluster.members import Lifecycle
from anyclaude.cluster.node import Report

MOST: Final = 512
"""Nodes that are told apart. Those that come after them are counted as one, so that nobody can fill memory."""

OTHERS: Final = "others"


class Happened:
    """A `Lifecycle` in front of another one."""

    def __init__(self, then: Lifecycle) -> None:
        self._then = then
        self._counts: Counter[tuple[str, str]] = Counter()
        self._nodes: set[str] = set()

    @property
    def counts(self) -> Mapping[tuple[str, str], int]:
        """By node and kind: `joined`, `refused`, `lost`, `back`, `restarted`, `left`."""
        return self._counts

    def joined(self, node: str, report: Report) -> None:
        self._count(node, "joined")
        self._then.joined(node, report)

    def refused(self, node: str, reason: str) -> None:
        self._count(node, "refused")
        self._then.refused(node, reason)

    def lost(self, node: str, reason: str) -> None:
        self._count(node, "lost")
        self._then.lost(node, reason)

    def back(self, node: str) -> None:
        self._count(node, "back")
        self._then.back(node)

    def restarted(self, node: str) -> None:
        self._count(node, "restarted")
        self._then.restarted(node)

    def left(self, node: str, reason: str) -> None:
        self._count(node, "left")
        self._then.left(node, reason)

    def _count(self, node: str, kind: str) -> None:
        if len(self._nodes) < MOST:
            self._nodes.add(node)
        self._counts[node if node in self._nodes else OTHERS, kind] += 1
