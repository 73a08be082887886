"""An upstream's errors, in the many shapes that servers give them."""

from typing import Any

import pytest

from anyclaude.convert.failures import convert_failure, seconds_until_reset
from anyclaude.errors import (
    AnswerTooLong,
    AnyclaudeError,
    NotOffered,
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
        (404, NotOffered, 400),
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


def openrouter(code: int, message: str, **metadata: Any) -> Any:
    return {"error": {"code": code, "message": message, "metadata": metadata}}


def test_a_flagged_prompt_is_no_matter_of_the_key() -> None:
    said = 'openai/gpt-x requires moderation on OpenAI. Your input was flagged for "violence".'
    body = openrouter(403, said, reasons=["violence"], flagged_input="how to ...", provider_name="OpenAI")
    error = convert_failure(403, body)
    assert (type(error), error.status) == (UpstreamRejected, 400)
    assert "(reasons: violence; flagged: how to ...)" in error.message
    assert "rephrase it" in error.message
    assert "key" not in error.message


def test_a_guardrail_names_its_patterns() -> None:
    error = convert_failure(403, openrouter(403, "Request blocked: prompt injection", patterns=["ignore all", 5]))
    assert (type(error), "(patterns: ignore all)" in error.message) == (UpstreamRejected, True)


def test_a_403_of_a_provider_is_about_the_provider() -> None:
    error = convert_failure(403, openrouter(403, "Provider returned error", provider_name="OpenAI", raw="region"))
    assert (type(error), error.status) == (UpstreamRejected, 400)
    assert "Provider returned error (OpenAI): region (choose another model" in error.message


@pytest.mark.parametrize("status", [402, 403, None])
def test_a_spent_limit_of_the_key_is_told_as_402(status: int | None) -> None:
    said = "Key limit exceeded (weekly limit). Manage it using https://openrouter.ai/settings/keys"
    error = convert_failure(status, {"error": {"code": status or 403, "message": said}})
    assert (type(error), error.status) == (UpstreamRejected, 402)
    assert error.message.endswith("/settings/keys (raise the limit of the key there, or use another key)")


def test_a_budget_filled_by_requests_under_way_is_waited_for() -> None:
    body = openrouter(402, "in-flight", reason="in_flight_budget_exhausted", limit_source="openrouter_in_flight_budget")
    error = convert_failure(402, body, "9")
    assert (type(error), error.headers) == (RateLimited, {"retry-after": "9"})
    assert type(convert_failure(402, body)) is RateLimited


def test_openrouters_own_next_step_is_handed_on() -> None:
    body = openrouter(
        402, "too dear", limit_source="openrouter_credits", remedy_hint="Lower max_tokens,\nor add credits."
    )
    assert convert_failure(402, body).message.endswith("too dear (Lower max_tokens, or add credits.)")


@pytest.mark.parametrize(
    ("said", "step"),
    [
        ("No endpoints found matching your data policy. Configure: https://x/settings/privacy", "allow its providers"),
        ('No endpoints found that support tool use. Try disabling "Bash".', "Claude Code needs tools"),
        ("No endpoints found for meta/none.", "choose another model"),
        ("Not Found", "check the model's name and the server's address"),
    ],
)
def test_what_is_not_offered_has_a_next_step_and_a_status_that_shows_it(said: str, step: str) -> None:
    error = convert_failure(404, {"error": {"code": 404, "message": said}})
    assert (type(error), error.status, said in error.message, step in error.message) == (NotOffered, 400, True, True)


def test_an_answer_that_does_not_fit_behind_the_prompt_can_be_shorter() -> None:
    said = (
        "This endpoint's maximum context length is 204800 tokens. However, you requested about 205432 tokens "
        "(81684 of text input, 3748 of tool input, 120000 in the output). Please reduce the length of either one"
    )
    error = convert_failure(400, {"error": {"message": said}})
    assert type(error) is AnswerTooLong
    assert "exceed context limit: 85432 + 120000 > 204800," in error.message


@pytest.mark.parametrize(
    "parts",
    [
        "(200000 of text input, 5000 in the output)",
        "(199000 of text input, 9000 in the output)",
        "(205000 of text input)",
    ],
)
def test_a_prompt_that_leaves_no_room_is_too_long(parts: str) -> None:
    said = (
        f"This endpoint's maximum context length is 200000 tokens. However, you requested about 205000 tokens {parts}."
    )
    error = convert_failure(400, {"error": {"message": said}})
    assert error.message == "prompt is too long: 205000 tokens > 200000 maximum"


def test_a_typed_error_counts_where_there_is_no_code() -> None:
    busy = {"error": {"code": "server_error", "message": "busy", "metadata": {"error_type": "provider_overloaded"}}}
    long = {"error": {"code": 400, "message": "no", "metadata": {"error_type": "context_length_exceeded"}}}
    assert type(convert_failure(None, busy)) is Overloaded
    assert type(convert_failure(None, long)) is PromptTooLong


def test_a_limit_that_is_lifted_late_says_when() -> None:
    error = convert_failure(429, {"error": {"message": "Rate limit exceeded: free-models-per-day."}}, "7200")
    assert error.headers == {"retry-after": "7200"}
    assert "lifted in 120 minutes" in error.message
    assert "lifted" not in convert_failure(429, {"error": {"message": "slow"}}, "60").message


def test_a_reset_becomes_seconds() -> None:
    body = openrouter(429, "slow", headers={"X-RateLimit-Reset": "1741305600000"})
    assert seconds_until_reset("1741305600000", None, 1741305598.2) == "2"
    assert seconds_until_reset(None, body, 1741305600.0) == "1"
    assert seconds_until_reset(None, {}, 0) is None
    for strange in ("soon", "1741305600", "", "17413056000000"):
        assert seconds_until_reset(strange, {"error": {"metadata": {"headers": 5}}}, 0) is None
