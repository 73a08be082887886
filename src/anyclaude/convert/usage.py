"""Token counts: OpenAI's `usage` and llama.cpp's `timings`, as one report, and that report in Anthropic's shape."""

import math
from collections.abc import Mapping
from typing import Any

from anyclaude.wire.events import UsageReport


def convert_usage(chunk: Mapping[str, Any]) -> UsageReport | None:
    """The counts that a chunk carries, None when it carries none. Wrong types count as unknown, never as an error."""
    usage = chunk.get("usage")
    if isinstance(usage, dict) and "prompt_tokens" in usage:
        details = usage.get("prompt_tokens_details")
        details = details if isinstance(details, dict) else {}
        prompt = _count(usage.get("prompt_tokens"))
        cached = _cached(details.get("cached_tokens"), prompt)
        return UsageReport(
            prompt,
            cached,
            _count(usage.get("completion_tokens")),
            cache_write_tokens=min(_count(details.get("cache_write_tokens")), prompt - (cached or 0)),
            reasoning_tokens=_reasoning_tokens(usage),
            cost=_cost(usage.get("cost")),
            web_searches=_web_searches(usage.get("server_tool_use")),
        )
    timings = chunk.get("timings")
    if isinstance(timings, dict) and "prompt_n" in timings:
        cached = _count(timings.get("cache_n"))
        return UsageReport(cached + _count(timings["prompt_n"]), cached, _count(timings.get("predicted_n")))
    return None


def _cached(value: object, prompt: int) -> int | None:
    return min(max(value, 0), prompt) if type(value) is int else None


def _reasoning_tokens(usage: Mapping[str, Any]) -> int:
    details = usage.get("completion_tokens_details")
    return _count(details.get("reasoning_tokens")) if isinstance(details, dict) else 0


def _web_searches(used: object) -> int:
    """As OpenRouter counts what its own tools did."""
    return _count(used.get("web_search_requests")) if isinstance(used, dict) else 0


def _cost(value: object) -> float | None:
    """US dollars, as OpenRouter says them."""
    known = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
    return float(value) if known else None  # type: ignore[arg-type]


def anthropic_usage(report: UsageReport) -> dict[str, Any]:
    """Anthropic counts what was read from and written to the cache beside `input_tokens`, not inside."""
    cached = report.cached_tokens or 0
    searched = {"server_tool_use": {"web_search_requests": report.web_searches}} if report.web_searches else {}
    return searched | {
        "input_tokens": report.prompt_tokens - cached - report.cache_write_tokens,
        "cache_creation_input_tokens": report.cache_write_tokens,
        "cache_read_input_tokens": cached,
        "output_tokens": report.output_tokens,
    }


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0
