"""GET /anyclaude/status and /anyclaude/session/ID: how this proxy is, as JSON, for programs of the person that runs it.

Everything is read when it is asked for. Seconds, tokens, tokens a second; null where a figure is not known. Fields are
added, not changed: other versions of anyclaude read it.
"""

import os
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, Final

from anyclaude import __version__
from anyclaude.backends.status import BackendStatus, NodeStatus
from anyclaude.server.figures import SECONDS, BackendFigures, Figures, Times
from anyclaude.server.sessions import Session, Turn
from anyclaude.trace.redact import Redactor

PATH: Final = "/anyclaude/status"
"""Anthropic's paths begin with /v1 or /api, and nothing outside those is ever handed on."""

SESSION_PATH: Final = "/anyclaude/session"
"""The same of one session, whose id is appended."""


def report(mode: str, figures: Figures, backends: Iterable[BackendStatus], redactor: Redactor) -> dict[str, Any]:
    """The whole of it. mode: that of the launch."""
    return {
        "version": __version__,
        "pid": os.getpid(),
        "started": figures.started,
        "mode": mode,
        "in_flight": {"streams": figures.streams, "whole": figures.wholes},
        "backends": [_backend(one, redactor) for one in backends],
        "requests": {name: _requests(of) for name, of in figures.told().items()},
        "errors": [asdict(failing) for failing in figures.errors],
    }


def session_report(session: Session | None, backends: Iterable[BackendStatus]) -> dict[str, Any]:
    """One session. backend, model: the main ones, which answer unless `last` names others."""
    main = next(iter(backends), BackendStatus(""))
    session = session or Session()
    return {
        "backend": main.name,
        "model": main.model,
        "turns": session.turns,
        "cost": session.cost,
        "last": _turn(session.last) if session.turns else None,
    }


def _turn(turn: Turn) -> dict[str, Any]:
    return asdict(turn) | {"tokens_per_second": turn.tokens_per_second}


def _requests(of: BackendFigures) -> dict[str, Any]:
    return {
        "outcomes": of.outcomes,
        "failures": {str(status): count for status, count in of.failures.items()},
        "first_event": _times(of.first_event),
        "tokens": {"prompt": of.prompt_tokens, "cached": of.cached_tokens, "output": of.output_tokens},
        "prefill": asdict(of.prefill),
        "decode": asdict(of.decode) | {"events": of.whole_events},
        "streamed_events": of.events,
        "retries": of.retries,
        "fallbacks": of.fallbacks,
        "queued": {"count": of.waits, "seconds": of.waited},
        "repairs": of.repairs,
        "prefix": {
            "prompts": of.prompts,
            "kept_bytes": of.kept_bytes,
            "before_bytes": of.before_bytes,
            "broken": dict(of.broken),
        },
    }


def _times(times: Times) -> dict[str, Any]:
    """buckets: how many took at most so many seconds, and more than the one before; the last has no end."""
    ends = [*SECONDS, None]
    return {
        "count": times.count,
        "mean": times.mean,
        "buckets": [list(one) for one in zip(ends, times.counts, strict=True)],
    }


def _backend(one: BackendStatus, redactor: Redactor) -> dict[str, Any]:
    found: dict[str, Any] = {"name": one.name, "model": one.model}
    if one.strategy is None:
        return found
    events = [{"node": node, "event": event, "count": count} for (node, event), count in one.events.items()]
    nodes = [_node(node, redactor) for node in one.nodes]
    return found | {"strategy": one.strategy, "queue": one.queue, "nodes": nodes, "events": events}


def _node(node: NodeStatus, redactor: Redactor) -> dict[str, Any]:
    lately = node.lately
    return {
        "id": node.id,
        "address": node.address,
        "status": node.status,
        "reason": redactor.text(node.reason) or None,
        "breaker": node.breaker.value,
        "drained": node.drained,
        "model": node.model,
        "active": node.active,
        "pending_tokens": node.pending_tokens,
        "prefill_tps": node.prefill_tps,
        "decode_tps": node.decode_tps,
        "lately": {"requests": lately.requests, "failures": lately.failures},
        "first_token": {"count": lately.measured, "mean": lately.mean, "p95": lately.p95},
        "answered": lately.all_answered,
        "failed": lately.all_failed,
        "tokens": {"prompt": lately.prompt_tokens, "cached": lately.cached_tokens},
    }
