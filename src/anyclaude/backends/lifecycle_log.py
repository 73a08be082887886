"""Changes of the cluster, for the log."""

import logging

from anyclaude.cluster.members import Unwatched
from anyclaude.cluster.node import Report

log = logging.getLogger(__name__)


class LifecycleLog(Unwatched):
    """One line for each change, and one more for a node whose model is not that of the others."""

    def __init__(self) -> None:
        self._models: dict[str, str] = {}

    def joined(self, node: str, report: Report) -> None:
        log.info("node %s has joined: model %s, context %s", node, report.model, report.context_length)
        others = sorted({*self._models.values()} - {report.model})
        if report.model is None:
            return
        self._models[node] = report.model
        if others:
            log.warning(
                "node %s serves %s and others serve %s: a session that moves is answered by another model; "
                "start all workers with the same one",
                *(node, report.model, ", ".join(others)),
            )

    def refused(self, node: str, reason: str) -> None:
        log.warning("node %s is not asked: %s", node, reason)

    def lost(self, node: str, reason: str) -> None:
        log.warning("node %s is lost: %s", node, reason)

    def back(self, node: str) -> None:
        log.info("node %s is back", node)

    def restarted(self, node: str) -> None:
        log.info("node %s was started anew", node)

    def left(self, node: str, reason: str) -> None:
        self._models.pop(node, None)
        log.info("node %s has left: %s", node, reason)
