"""GET /metrics: what a Prometheus server collects. Its names are documented in docs/reference/worker.md.

What the engine counts anyway is read when it is asked for; only times and answers are counted here. The registry is the
worker's own, so that nothing else of the program shows up in it.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, StateSetMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from mlx_worker.engine import Drafted, Engine, EngineStatus, Memory
from mlx_worker.prefix_cache import CacheFigures

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
LATELY: Final = 100
"""Answers whose times are kept one by one."""

STATES: Final = ("loading", "ready", "draining", "dead")

Family = GaugeMetricFamily | CounterMetricFamily | InfoMetricFamily | StateSetMetricFamily


class Metrics:
    """One worker's figures."""

    def __init__(self, engine: Engine, version: str) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(EngineCollector(engine, version))
        self._responses = Counter(
            "mlx_worker_http_responses", "Responses, by path and status.", ["path", "status"], registry=self._registry
        )
        self._first = self._histogram("mlx_worker_first_token_seconds", "From accepting a request to its first token.")
        self._whole = self._histogram("mlx_worker_answer_seconds", "From accepting a request to the end of its answer.")
        self._tokens = Counter("mlx_worker_generated_tokens", "Tokens of answers.", registry=self._registry)
        self._times: deque[float] = deque(maxlen=LATELY)

    def _histogram(self, name: str, words: str) -> Histogram:
        return Histogram(name, words, buckets=SECONDS, registry=self._registry)

    def responded(self, path: str, status: int) -> None:
        self._responses.labels(path, str(status)).inc()

    def watch(self, clock: Callable[[], float] = time.monotonic) -> "AnswerWatch":
        """For one answer that begins now."""
        return AnswerWatch(self._spoke, self._whole, self._tokens, clock)

    def first_tokens(self) -> tuple[float, ...]:
        """Seconds to the first token of the last answers, at most `LATELY` of them."""
        return tuple(self._times)

    def _spoke(self, seconds: float) -> None:
        self._first.observe(seconds)
        self._times.append(seconds)

    def exposition(self) -> bytes:
        """The text that Prometheus reads."""
        return generate_latest(self._registry)


class AnswerWatch:
    """The times of one answer."""

    def __init__(
        self, first: Callable[[float], None], whole: Histogram, tokens: Counter, clock: Callable[[], float]
    ) -> None:
        self._first, self._whole, self._tokens, self._clock = first, whole, tokens, clock
        self._began = clock()
        self._spoken = False

    def spoke(self) -> None:
        if not self._spoken:
            self._spoken = True
            self._first(self._clock() - self._began)

    def ended(self, completion_tokens: int) -> None:
        self._whole.observe(self._clock() - self._began)
        self._tokens.inc(completion_tokens)


class EngineCollector:
    """Reads the engine's status whenever Prometheus asks."""

    def __init__(self, engine: Engine, version: str) -> None:
        self._engine, self._version = engine, version

    def collect(self) -> Iterator[Family]:
        status, card = self._engine.status(), self._engine.card
        facts = {"version": self._version, "model": card.id if card else ""}
        yield InfoMetricFamily("mlx_worker", "The worker and its model.", facts)
        yield StateSetMetricFamily("mlx_worker_state", "The state it is in.", {s: s == status.state for s in STATES})
        yield _outcomes(status)
        yield from _gauges(status)
        if status.cache is not None:
            yield from _cache(status.cache)
        if status.memory is not None:
            yield _memory(status.memory)
        if status.draft is not None:
            yield from _draft(status.draft)


def _outcomes(status: EngineStatus) -> CounterMetricFamily:
    family = CounterMetricFamily(
        "mlx_worker_requests", "Requests that are over, by how they ended.", labels=["outcome"]
    )
    for outcome in ("finished", "failed", "cancelled"):
        family.add_metric([outcome], getattr(status, outcome))
    return family


def _gauges(status: EngineStatus) -> Iterator[Family]:
    figures: tuple[tuple[str, str, Any], ...] = (
        ("requests_active", "Requests whose prompt is computed or whose answer is written.", status.active),
        ("requests_waiting", "Requests that wait to begin.", status.waiting),
        ("warming", "Prompts that are computed ahead, or wait for it.", status.warming),
        ("queued_prefill_tokens", "Uncached tokens of prompts still to compute.", status.queued_tokens),
        ("prefill_tokens_per_second", "Speed of late on prompts.", status.prefill_tps),
        ("decode_tokens_per_second", "Speed of late on answers, all together.", status.decode_tps),
        ("heartbeat_age_seconds", "Since the engine's last sign of life.", status.heartbeat_age),
        ("hung", "1 when the engine gives no sign of life.", int(status.hung)),
    )
    for name, words, value in figures:
        if value is not None:
            yield GaugeMetricFamily(f"mlx_worker_{name}", words, value)


def _cache(figures: CacheFigures) -> Iterator[Family]:
    yield GaugeMetricFamily("mlx_worker_cache_bytes", "Bytes of computed prefixes in memory.", figures.nbytes)
    yield GaugeMetricFamily("mlx_worker_cache_limit_bytes", "The most bytes of them.", figures.limit)
    yield GaugeMetricFamily("mlx_worker_cache_entries", "Computed prefixes in memory.", figures.entries)
    yield GaugeMetricFamily("mlx_worker_cache_tokens", "Tokens of them, summed up.", figures.tokens)
    yield CounterMetricFamily("mlx_worker_cache_evictions", "Prefixes that had to go for others.", figures.evicted)
    yield CounterMetricFamily("mlx_worker_prompt_tokens", "Tokens of prompts.", figures.prompt_tokens)
    yield CounterMetricFamily("mlx_worker_cached_prompt_tokens", "Those that came from the cache.", figures.hit_tokens)


def _draft(draft: Drafted) -> Iterator[Family]:
    yield CounterMetricFamily("mlx_worker_draft_proposed_tokens", "Tokens proposed by the draft model.", draft.proposed)
    yield CounterMetricFamily("mlx_worker_draft_taken_tokens", "Those that the model said too.", draft.taken)


def _memory(memory: Memory) -> GaugeMetricFamily:
    family = GaugeMetricFamily("mlx_worker_memory_bytes", "Memory, by kind.", labels=["kind"])
    for kind in ("active", "cached", "peak", "limit", "resident"):
        family.add_metric([kind], getattr(memory, kind))
    return family
