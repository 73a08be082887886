"""GET /health: may this worker be asked, and how is it doing?

The body is the ancestor's (`status`, `health`, `cache`, `metrics`) with the fields that a router and a launcher need.
`status` is healthy, degraded (it answers, but the last requests failed, or the arithmetic is slow) or unhealthy (it
does not answer: loading, draining, dead, or hung). 200 only when it answers.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from math import ceil
from typing import Any
from uuid import uuid4

from mlx_worker.blas import Blas
from mlx_worker.engine import CachedPrefix, Engine, EngineStatus
from mlx_worker.inbox import HANGS
from mlx_worker.prefix_cache import CacheFigures

INSTANCE = uuid4().hex
"""Another one after every start: what a router knew of the cache is void then."""


def package_version() -> str:
    try:
        return version("anyclaude")
    except PackageNotFoundError:
        return "unknown"


def health_status(status: EngineStatus, blas: Blas) -> str:
    if status.state != "ready" or status.hung:
        return "unhealthy"
    return "degraded" if status.consecutive_failures or not blas.fast else "healthy"


def brief_report(engine: Engine, blas: Blas) -> tuple[int, dict[str, Any]]:
    """For callers who have not shown the token."""
    status = engine.status()
    return _code(status), {"status": health_status(status, blas), "state": status.state}


def full_report(engine: Engine, blas: Blas, first_tokens: Sequence[float] = ()) -> tuple[int, dict[str, Any]]:
    """first_tokens: seconds to the first token of the last answers."""
    status, card = engine.status(), engine.card
    figures = status.cache or CacheFigures(0, 0, 0, 0, 0, 0, 0)
    report = {
        "status": health_status(status, blas),
        "state": status.state,
        "reason": HANGS if status.hung else status.reason,
        "model": card.id if card else None,
        "context_length": card.context_length if card else None,
        "supports_tools": card.supports_tools if card else None,
        "active": status.active,
        "waiting": status.waiting,
        "room": status.room,
        "warming": status.warming,
        "queued_prefill_tokens": status.queued_tokens,
        "prefill_tps": status.prefill_tps,
        "decode_tps": status.decode_tps,
        "first_token": _first_token(first_tokens),
        "heartbeat_age": round(status.heartbeat_age, 3),
        "memory": asdict(status.memory) if status.memory else None,
        "draft": asdict(status.draft) if status.draft else None,
        "blas": {"name": blas.name, "fast": blas.fast, "advice": blas.advice},
        "version": package_version(),
        "instance": INSTANCE,
        **_seed_objects(status, figures, latest_system(engine.prefixes())),
    }
    return _code(status), report


def _first_token(seconds: Sequence[float]) -> dict[str, Any]:
    """Seconds; p95: what 95 of a hundred did not exceed. null before the first answer."""
    ordered = sorted(seconds)
    mean = round(sum(ordered) / len(ordered), 4) if ordered else None
    p95 = round(ordered[max(0, ceil(0.95 * len(ordered)) - 1)], 4) if ordered else None
    return {"count": len(ordered), "mean": mean, "p95": p95}


def _code(status: EngineStatus) -> int:
    return 200 if status.state == "ready" and not status.hung else 503


def latest_system(entries: Sequence[CachedPrefix]) -> str:
    """The name of the system prompt that was used last (`anyclaude.wire.prefix`), empty when none is known."""
    named = (entry for entry in entries if entry.system_hash)
    latest = max(named, key=lambda entry: entry.last_used, default=None)
    return (latest.system_hash or "") if latest else ""


def _seed_objects(status: EngineStatus, figures: CacheFigures, system_hash: str) -> dict[str, Any]:
    """Times in milliseconds, as in the ancestor; `avgResponseTime` and `avgLatency` are the same figure there too."""
    now = int(time.time() * 1000)
    total = status.finished + status.failed
    latency = round(status.average_seconds * 1000, 1)
    return {
        "health": {
            "lastCheck": now,
            "consecutiveFailures": status.consecutive_failures,
            "avgResponseTime": latency,
            "errorRate": round(status.failed / total, 4) if total else 0.0,
        },
        "cache": {
            "tokens": figures.tokens,
            "entries": figures.entries,
            "bytes": figures.nbytes,
            "limit": figures.limit,
            "systemPromptHash": system_hash,
            "lastUpdated": now,
        },
        "metrics": {
            "requestsInFlight": status.active + status.waiting,
            "totalRequests": total,
            "cacheHitRate": round(figures.hit_tokens / figures.prompt_tokens, 4) if figures.prompt_tokens else 0.0,
            "avgLatency": latency,
        },
    }
