"""What the running proxies say of the cluster's nodes, as one: summed up where it can be, the worst where not.

A node is known by its address, because two projects may call different machines by one name. What has a wrong type
counts as not said: a proxy may be of another version.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from anyclaude.cli.said import amount, count, mapping, mappings
from anyclaude.cluster.breaker import State

CLUSTER: Final = "mlx-cluster"
_WORSE: Final = (State.CLOSED.value, State.TRIAL.value, State.HALF_OPEN.value, State.OPEN.value)


@dataclass(frozen=True, slots=True)
class ByProxies:
    """One node. active: requests of all proxies there. breaker, reason: of the proxy that has it worst.

    requests, failures: the last ones of each proxy. measured, mean, p95: seconds to the first word of those; the mean
    is over all of them, p95 the worst one. prompt_tokens, cached_tokens: since each proxy knows the node.
    """

    active: int = 0
    breaker: str = ""
    reason: str = ""
    requests: int = 0
    failures: int = 0
    measured: int = 0
    mean: float | None = None
    p95: float | None = None
    prompt_tokens: int = 0
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Together:
    """All of them. proxies: how many use the cluster; queue: requests that wait there; nodes: by address."""

    proxies: int = 0
    queue: int | None = None
    nodes: Mapping[str, ByProxies] = field(default_factory=dict)


NOBODY: Final = Together()


def together(statuses: Iterable[Mapping[str, Any]]) -> Together:
    """Of what each proxy told."""
    found = NOBODY
    for cluster in (cluster for status in statuses for cluster in _clusters(status)):
        nodes = dict(found.nodes)
        for node in mappings(cluster.get("nodes")):
            address = node.get("address")
            if isinstance(address, str):
                nodes[address] = _added(nodes.get(address, ByProxies()), _read(node))
        queue = _sum(found.queue, cluster.get("queue"))
        found = Together(found.proxies + 1, queue, nodes)
    return found


def _clusters(status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for one in mappings(status.get("backends")) if one.get("name") == CLUSTER]


def _read(node: Mapping[str, Any]) -> ByProxies:
    lately, first, tokens = (mapping(node.get(name)) for name in ("lately", "first_token", "tokens"))
    breaker, reason = node.get("breaker"), node.get("reason")
    return ByProxies(
        active=count(node.get("active")),
        breaker=breaker if breaker in _WORSE else "",
        reason=reason if isinstance(reason, str) else "",
        requests=count(lately.get("requests")),
        failures=count(lately.get("failures")),
        measured=count(first.get("count")),
        mean=amount(first.get("mean")),
        p95=amount(first.get("p95")),
        prompt_tokens=count(tokens.get("prompt")),
        cached_tokens=count(tokens.get("cached")),
    )


def _added(one: ByProxies, other: ByProxies) -> ByProxies:
    worse = max((one, other), key=lambda each: (_rank(each.breaker), bool(each.reason)))
    measured = one.measured + other.measured
    total = sum(each.mean * each.measured for each in (one, other) if each.mean is not None)
    return replace(
        worse,
        active=one.active + other.active,
        requests=one.requests + other.requests,
        failures=one.failures + other.failures,
        measured=measured,
        mean=total / measured if measured else None,
        p95=max((each.p95 for each in (one, other) if each.p95 is not None), default=None),
        prompt_tokens=one.prompt_tokens + other.prompt_tokens,
        cached_tokens=one.cached_tokens + other.cached_tokens,
    )


def _rank(breaker: str) -> int:
    return _WORSE.index(breaker) if breaker in _WORSE else -1


def _sum(known: int | None, value: object) -> int | None:
    return known if value is None else (known or 0) + count(value)
