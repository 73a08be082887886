"""Token counts: OpenAI's `usage` and llama.cpp's `timings`, as one report, and that report in Anthropic's shape."""

from collections.abc import Mapping
from typing import Any

from anyclaude.wire.events import UsageReport


def convert_usage(chunk: Mapping[str, Any]) -> UsageReport | None:
    """The counts that a chunk carries, None when it carries none. Wrong types count as unknown, never as an error."""
    usage = chunk.get("usage")
    if isinstance(usage, dict) and "prompt_tokens" in usage:
        details = usage.get("prompt_tokens_details")
        cached = _count(details.get("cached_tokens")) if isinstance(details, dict) else 0
        prompt = _count(usage.get("prompt_tokens"))
        return UsageReport(prompt, min(cached, prompt), _count(usage.get("completion_tokens")))
    timings = chunk.get("timings")
    if isinstance(timings, dict) and "prompt_n" in timings:
        cached = _count(timings.get("cache_n"))
        return UsageReport(cached + _count(timings["prompt_n"]), cached, _count(timings.get("predicted_n")))
    return None


def anthropic_usage(report: UsageReport) -> dict[str, int]:
    """Anthropic counts the cached part of the prompt beside `input_tokens`, not inside."""
    return {
        "input_tokens": report.prompt_tokens - report.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": report.cached_tokens,
        "output_tokens": report.output_tokens,
    }


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0
