"""A node as `anyclaude cluster status` found it, and all of them as one JSON object for scripts."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from anyclaude.cli.cluster_proxies import NOBODY, ByProxies, Together
from anyclaude.cluster.node import Report

_FIGURES: Final = (
    "model",
    "context_length",
    "active",
    "waiting",
    "cached_tokens",
    "hit_rate",
    "prefill_tps",
    "decode_tps",
    "memory_used",
    "memory_limit",
)
"""Of a `Report`, for scripts."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One node as it was just found.

    state: its own word, `drained` where a person took it out, `locked` where it does not know our token, or `lost`.
    drained: a person took it out, whatever its state is. problem: why it is not ready, in a sentence; empty where the
    state says it all. by_proxies: what running proxies see of it; None where none does.
    """

    node: str
    url: str
    state: str
    report: Report | None = None
    problem: str = ""
    drained: bool = False
    by_proxies: ByProxies | None = None

    @property
    def ready(self) -> bool:
        return self.state == "ready"

    @property
    def first_token(self) -> tuple[float, float] | None:
        """Mean and 95th percentile in seconds: as proxies measured them, else as the node did."""
        by, report = self.by_proxies, self.report
        if by is not None:
            return None if by.mean is None or by.p95 is None else (by.mean, by.p95)
        if report is None or report.first_token_mean is None or report.first_token_p95 is None:
            return None
        return report.first_token_mean, report.first_token_p95


def as_json(seen: Sequence[Seen], proxies: Together = NOBODY) -> dict[str, Any]:
    """One object for scripts. Tokens, tokens a second, bytes, seconds; null where nobody says."""
    ready = sum(one.ready for one in seen)
    nodes = [_as_object(one) for one in seen]
    return {"ready": ready, "proxies": proxies.proxies, "queue": proxies.queue, "nodes": nodes}


def _as_object(one: Seen) -> dict[str, Any]:
    told = {name: getattr(one.report, name, None) for name in _FIGURES}
    place = {"node": one.node, "url": one.url, "state": one.state, "drained": one.drained}
    mean, p95 = one.first_token or (None, None)
    first = {"mean": mean, "p95": p95, "seen_by": _seen_by(one) if one.first_token else None}
    by = asdict(one.by_proxies) if one.by_proxies else None
    return {**place, **told, "first_token": first, "by_proxies": by, "problem": one.problem or None}


def _seen_by(one: Seen) -> str:
    return "node" if one.by_proxies is None else "proxies"
