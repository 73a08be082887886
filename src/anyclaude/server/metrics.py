"""GET /metrics: the same figures as the status, as text for Prometheus; docs/reference/endpoints.md has the names.

They are counted by the proxy itself and turned into families when they are asked for, so a request costs nothing more
for them. Values of labels are bounded: backends, outcomes, statuses of HTTP, and the nodes of the cluster.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, get_args

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    StateSetMetricFamily,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from anyclaude import __version__
from anyclaude.backends.status import BackendStatus, NodeStatus
from anyclaude.cluster.breaker import State
from anyclaude.cluster.health import Status
from anyclaude.server.figures import SECONDS, Figures, Times

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

Family = GaugeMetricFamily | CounterMetricFamily | HistogramMetricFamily | InfoMetricFamily | StateSetMetricFamily
Backends = Callable[[], Iterable[BackendStatus]]

_GAUGES: Final[tuple[tuple[str, str, Callable[[NodeStatus], Any]], ...]] = (
    ("active", "Requests of this proxy at the node.", lambda node: node.active),
    ("pending_tokens", "Tokens of their prompts, to be computed still.", lambda node: node.pending_tokens),
    ("prefill_tokens_per_second", "Speed on prompts, as learnt.", lambda node: node.prefill_tps),
    ("first_token_mean_seconds", "To the first word, of the last requests.", lambda node: node.lately.mean),
    ("first_token_p95_seconds", "To the first word, of the last requests.", lambda node: node.lately.p95),
)
_COUNTERS: Final[tuple[tuple[str, str, Callable[[NodeStatus], float]], ...]] = (
    ("answers", "Requests that the node answered whole.", lambda node: node.lately.all_answered),
    ("failures", "Requests at which it failed.", lambda node: node.lately.all_failed),
    ("prompt_tokens", "Tokens of prompts, where it says what was cached.", lambda node: node.lately.prompt_tokens),
    ("cached_prompt_tokens", "Those that it had computed before.", lambda node: node.lately.cached_tokens),
)


class Metrics:
    """One proxy's figures. mode: that of the launch; backends: how they are now."""

    def __init__(self, mode: str, figures: Figures, backends: Backends) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Collector(mode, figures, backends))

    def exposition(self) -> bytes:
        """The text that Prometheus reads."""
        return generate_latest(self._registry)


class _Collector:
    def __init__(self, mode: str, figures: Figures, backends: Backends) -> None:
        self._mode, self._figures, self._backends = mode, figures, backends

    def collect(self) -> Iterator[Family]:
        backends = list(self._backends())
        yield InfoMetricFamily("anyclaude", "The proxy.", {"version": __version__, "mode": self._mode})
        yield GaugeMetricFamily("anyclaude_start_time_seconds", "When it began.", self._figures.started)
        yield CounterMetricFamily("anyclaude_traces_lost", "Requests without a trace.", self._figures.traces_lost())
        yield from _requests(self._figures)
        for one in backends:
            if one.strategy is not None:
                yield from _cluster(one)


def _requests(figures: Figures) -> Iterator[Family]:
    flying = GaugeMetricFamily("anyclaude_in_flight", "Requests that are being answered.", labels=["kind"])
    flying.add_metric(["stream"], figures.streams)
    flying.add_metric(["whole"], figures.wholes)
    yield flying
    ended = CounterMetricFamily("anyclaude_requests", "Requests that are over.", labels=["backend", "outcome"])
    failed = CounterMetricFamily("anyclaude_errors", "Answers that were errors.", labels=["backend", "status"])
    first = HistogramMetricFamily(
        "anyclaude_first_event_seconds", "To the first event of a stream.", labels=["backend"]
    )
    tokens = CounterMetricFamily("anyclaude_tokens", "Tokens of whole answers.", labels=["backend", "kind"])
    again = CounterMetricFamily("anyclaude_retries", "Requests sent to another node.", labels=["backend"])
    fell = CounterMetricFamily("anyclaude_fallbacks", "Requests sent to another backend or model.", labels=["backend"])
    waits = CounterMetricFamily("anyclaude_queued", "Requests that waited for a node.", labels=["backend"])
    waited = CounterMetricFamily("anyclaude_queued_seconds", "For so long, together.", labels=["backend"])
    repairs = CounterMetricFamily("anyclaude_repairs", "What was mended in answers.", labels=["backend"])
    prefix = CounterMetricFamily(
        "anyclaude_prompt_prefix_bytes", "Of prompts with one before them: kept, and all.", labels=["backend", "of"]
    )
    broken = CounterMetricFamily(
        "anyclaude_prompts_broken", "Prompts that do not begin with the last one.", labels=["backend", "cause"]
    )
    for name, of in figures.told().items():
        repairs.add_metric([name], of.repairs)
        prefix.add_metric([name, "kept"], of.kept_bytes)
        prefix.add_metric([name, "before"], of.before_bytes)
        for cause, count in of.broken.items():
            broken.add_metric([name, cause], count)
        for outcome, count in of.outcomes.items():
            ended.add_metric([name, outcome], count)
        for status, count in of.failures.items():
            failed.add_metric([name, str(status)], count)
        first.add_metric([name], _buckets(of.first_event), of.first_event.total)
        tokens.add_metric([name, "prompt"], of.prompt_tokens)
        tokens.add_metric([name, "cached"], of.cached_tokens)
        tokens.add_metric([name, "output"], of.output_tokens)
        again.add_metric([name], of.retries)
        fell.add_metric([name], of.fallbacks)
        waits.add_metric([name], of.waits)
        waited.add_metric([name], of.waited)
    yield from (ended, failed, first, tokens, again, fell, waits, waited, repairs, prefix, broken)


def _buckets(times: Times) -> list[tuple[str, float]]:
    """Prometheus adds them up: each has those before it."""
    found, sofar = [], 0
    for end, count in zip((*map(str, SECONDS), "+Inf"), times.counts, strict=True):
        sofar += count
        found.append((end, float(sofar)))
    return found


def _cluster(cluster: BackendStatus) -> Iterator[Family]:
    facts = {"strategy": cluster.strategy or "", "model": cluster.model or ""}
    yield InfoMetricFamily("anyclaude_cluster", "The cluster.", facts)
    if cluster.queue is not None:
        yield GaugeMetricFamily("anyclaude_cluster_queue", "Requests that wait for a node.", cluster.queue)
    events = CounterMetricFamily("anyclaude_node_events", "What happened to nodes.", labels=["node", "event"])
    for (node, event), count in cluster.events.items():
        events.add_metric([node, event], count)
    yield events
    yield _states("status", "How the node is.", get_args(Status), {node.id: node.status for node in cluster.nodes})
    states = [state.value for state in State]
    yield _states("breaker", "Its breaker.", states, {node.id: node.breaker.value for node in cluster.nodes})
    yield from _nodes(cluster.nodes)


def _states(name: str, words: str, every: Iterable[str], by_node: dict[str, str]) -> StateSetMetricFamily:
    family = StateSetMetricFamily(f"anyclaude_node_{name}", words, labels=["node"])
    for node, current in by_node.items():
        family.add_metric([node], {each: each == current for each in every})
    return family


def _nodes(nodes: Iterable[NodeStatus]) -> Iterator[Family]:
    for name, words, value in _GAUGES:
        gauge = GaugeMetricFamily(f"anyclaude_node_{name}", words, labels=["node"])
        for node in nodes:
            if (figure := value(node)) is not None:
                gauge.add_metric([node.id], figure)
        yield gauge
    for name, words, count in _COUNTERS:
        counter = CounterMetricFamily(f"anyclaude_node_{name}", words, labels=["node"])
        for node in nodes:
            counter.add_metric([node.id], count(node))
        yield counter
