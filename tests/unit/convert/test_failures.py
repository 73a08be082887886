"""An upstream's errors, in the many shapes that servers give them."""

from typing import Any

import pytest

from anyclaude.convert.failures import convert_failure
from anyclaude.errors import (
    AnyclaudeError,
    Overloaded,
    PromptTooLong,
    RateLimited,
    UpstreamBroken,
    UpstreamRefusedUs,
    UpstreamRejected,
    UpstreamTimeout,
)

OVERFLOWS: dict[str, tuple[Any, str]] = {
    "llama.cpp, recorded": (
        {
            "error": {
                "code": 400,
                "message": "request (23047 tokens) exceeds the available context size (8192 tokens), try increasing it",
                "type": "exceed_context_size_error",
                "n_prompt_tokens": 23047,
                "n_ctx": 8192,
            }
        },
        "prompt is too long: 23047 tokens > 8192 maximum",
    ),
    "LM Studio, GGUF": (
        {"error": "The number of tokens to keep is greater than the context length (n_keep: 13055>= n_ctx: 4096)"},
        "prompt is too long: 13055 tokens > 4096 maximum",
    ),
    "LM Studio, GGUF, another wording": (
        {"error": {"message": "Cannot truncate prompt with n_keep (15028) >= n_ctx (7424)"}},
        "prompt is too long: 15028 tokens > 7424 maximum",
    ),
    "LM Studio, MLX": ({"error": "Context size has been exceeded."}, "prompt is too long"),
    "OpenAI": (
        {
            "error": {
                "message": "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens"
            }
        },
        "prompt is too long: 9000 tokens > 8192 maximum",
    ),
    "OpenAI, by code": ({"error": {"message": "context_length_exceeded"}}, "prompt is too long"),
}


@pytest.mark.parametrize(("body", "message"), OVERFLOWS.values(), ids=OVERFLOWS.keys())
@pytest.mark.parametrize("status", [400, 500, None])
def test_an_overflow_is_told_in_the_words_that_make_claude_code_compact(
    body: Any, message: str, status: int | None
) -> None:
    error = convert_failure(status, body)
    assert isinstance(error, PromptTooLong)
    assert (error.status, error.message) == (400, message)


@pytest.mark.parametrize(
    ("status", "kind", "told"),
    [
        (400, UpstreamRejected, 400),
        (404, UpstreamRejected, 404),
        (422, UpstreamRejected, 422),
        (401, UpstreamRefusedUs, 400),
        (403, UpstreamRefusedUs, 400),
        (408, UpstreamTimeout, 504),
        (429, RateLimited, 429),
        (500, UpstreamBroken, 502),
        (503, Overloaded, 529),
        (529, Overloaded, 529),
        (524, UpstreamTimeout, 504),
        (None, UpstreamBroken, 502),
    ],
)
def test_statuses(status: int | None, kind: type[AnyclaudeError], told: int) -> None:
    error = convert_failure(status, {"error": {"message": "no luck"}})
    assert type(error) is kind
    assert error.status == told
    assert "no luck" in error.message


@pytest.mark.parametrize(
    "body",
    [{"error": {"message": "no luck"}}, {"error": "no luck"}, {"detail": "no luck"}, {"message": "no luck"}, "no luck"],
)
def test_shapes(body: Any) -> None:
    assert convert_failure(400, body).message == "the model server said: no luck"


@pytest.mark.parametrize("body", [None, "", [], 5, {}, {"error": None}, {"error": {"message": 5}}, {"error": [1]}])
def test_shapes_that_say_nothing(body: Any) -> None:
    assert convert_failure(418, body).message == "the model server answered with status 418"


def test_the_code_inside_the_body_counts_in_mid_stream() -> None:
    assert isinstance(convert_failure(None, {"error": {"code": 429, "message": "slow down"}}), RateLimited)
    assert isinstance(convert_failure(None, {"error": {"code": "503", "message": "busy"}}), Overloaded)


def test_retry_after_is_handed_on() -> None:
    assert convert_failure(429, {}, "7").headers == {"retry-after": "7"}
    assert convert_failure(503, {}, None).headers == {}


def test_a_message_is_one_line_without_control_characters_and_of_bounded_length() -> None:
    message = convert_failure(400, {"error": "a\x1b[31mb\r\n\u2028c" + "x" * 10_000}).message
    assert "\x1b" not in message
    assert "\n" not in message
    assert len(message) < 700


def test_openrouter_says_in_the_body_when_to_come_back() -> None:
    body = {"error": {"message": "busy", "http_status": 429, "availability": {"retry_after": 40}}}
    for status in (429, None):
        error = convert_failure(status, body)
        assert (type(error).__name__, error.headers) == ("RateLimited", {"retry-after": "40"})


def test_the_words_of_the_provider_behind_openrouter_are_read_too() -> None:
    raw = '{"message": "prompt is too long: 9000 tokens > 8000 maximum"}'
    error = convert_failure(400, {"error": {"message": "Provider returned error", "metadata": {"raw": raw}}})
    assert error.message == "prompt is too long: 9000 tokens > 8000 maximum"


def test_without_credits_there_is_a_next_step() -> None:
    error = convert_failure(None, {"error": {"code": 402, "message": "Insufficient credits."}})
    assert (error.status, "add credits" in error.message) == (402, True)
