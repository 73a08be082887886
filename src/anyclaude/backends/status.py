"""What a backend knows of itself, for whoever watches the proxy. Values: asking for them asks nobody else.

A backend that has something to tell beside its name is `Watchable`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from anyclaude.cluster.breaker import State
from anyclaude.cluster.health import Status
from anyclaude.cluster.lately import Figures


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """One node of a cluster, as this proxy sees it.

    address: without `/v1` and without credentials: what is one node for all proxies. reason: why it is not healthy, or
    not asked. active: requests of this proxy there now; pending_tokens: those of their prompts that are not computed
    yet. Speeds are tokens a second, as learnt from answers, else as the node says.
    """

    id: str
    address: str
    status: Status
    reason: str
    breaker: State
    drained: bool = False
    model: str | None = None
    active: int = 0
    pending_tokens: int = 0
    prefill_tps: float | None = None
    decode_tps: float | None = None
    lately: Figures = field(default_factory=Figures)


@dataclass(frozen=True, slots=True)
class BackendStatus:
    """One backend. queue: requests that wait for a node, None where none can. events: of nodes, by node and kind."""

    name: str
    model: str | None = None
    strategy: str | None = None
    queue: int | None = None
    nodes: tuple[NodeStatus, ...] = ()
    events: Mapping[tuple[str, str], int] = field(default_factory=dict)


@runtime_checkable
class Watchable(Protocol):
    """A backend with something to tell."""

    def status(self) -> BackendStatus:
        """How it is now. Cheap, and never raises."""
        ...


def status_of(name: str, backend: object) -> BackendStatus:
    """How a backend is; its name alone where it has nothing to tell."""
    return backend.status() if isinstance(backend, Watchable) else BackendStatus(name)
