from typing import Any

import pytest

from anyclaude.convert.usage import anthropic_usage, convert_usage
from anyclaude.wire.events import UsageReport

COUNTS: dict[str, Any] = {
    "prompt_tokens": 25105,
    "completion_tokens": 55,
    "cost": 0.0279,
    "prompt_tokens_details": {"cached_tokens": 24000, "cache_write_tokens": 1000},
    "completion_tokens_details": {"reasoning_tokens": 12},
}


def test_what_openrouter_counts() -> None:
    report = convert_usage({"usage": COUNTS})
    assert report == UsageReport(25105, 24000, 55, cache_write_tokens=1000, reasoning_tokens=12, cost=0.0279)
    assert anthropic_usage(report) == {
        "input_tokens": 105,
        "cache_creation_input_tokens": 1000,
        "cache_read_input_tokens": 24000,
        "output_tokens": 55,
    }


@pytest.mark.parametrize("cost", [None, "0.1", -1, True, float("nan"), float("inf")])
def test_a_cost_that_is_none_is_unknown(cost: Any) -> None:
    report = convert_usage({"usage": COUNTS | {"cost": cost}})
    assert report is not None
    assert report.cost is None


@pytest.mark.parametrize("details", [None, {}, {"cached_tokens": None}, {"cached_tokens": "9"}])
def test_a_server_that_does_not_say_what_was_cached(details: Any) -> None:
    """LM Studio (lmstudio-bug-tracker 778): Claude Code is told 0, as it knows no other word."""
    report = convert_usage({"usage": {"prompt_tokens": 10, "prompt_tokens_details": details}})
    assert report is not None
    assert report.cached_tokens is None
    assert anthropic_usage(report)["cache_read_input_tokens"] == 0


def test_counts_that_do_not_fit_never_make_a_negative_one() -> None:
    details = {"cached_tokens": 8, "cache_write_tokens": 8}
    report = convert_usage({"usage": {"prompt_tokens": 10, "prompt_tokens_details": details}})
    assert report is not None
    assert min(anthropic_usage(report).values()) == 0
