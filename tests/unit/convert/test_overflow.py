"""Prompt and answer that do not fit together: a shorter answer is asked for where the prompt leaves room for one."""

import pytest

from anyclaude.convert.overflow import overflow
from anyclaude.errors import AnswerTooLong, PromptTooLong

IN_PARTS = [
    "This model's maximum context length is 32768 tokens. However, you requested 52000 tokens (20000 in the messages, "
    "32000 in the completion). Please reduce the length of the messages or completion.",
    "This model's maximum context length is 32768 tokens, however you requested 52000 tokens (20000 in your prompt; "
    "32000 for the completion). Please reduce your prompt; or completion length.",
    "'max_tokens' or 'max_completion_tokens' is too large: 32000. This model's maximum context length is 32768 tokens "
    "and your request has 20000 input tokens (32000 > 32768 - 20000).",
    "Requested token count exceeds the model's maximum context length of 32768 tokens. You requested a total of 52000 "
    "tokens: 20000 tokens from the input messages and 32000 tokens for the completion.",
]


@pytest.mark.parametrize("said", IN_PARTS)
def test_the_parts_are_told(said: str) -> None:
    error = overflow(said)
    assert isinstance(error, AnswerTooLong)
    assert "exceed context limit: 20000 + 32000 > 32768," in error.message


@pytest.mark.parametrize("said", IN_PARTS)
def test_a_prompt_that_leaves_no_room_is_too_long(said: str) -> None:
    assert isinstance(overflow(said.replace("20000", "30000")), PromptTooLong)


def uncounted(window: int, output: int) -> str:
    """As vLLM says it, which stops counting where the prompt cannot fit any more."""
    return (
        f"This model's maximum context length is {window} tokens. However, you requested {output} output tokens and "
        f"your prompt contains at least {window - output + 1} input tokens, for a total of at least {window + 1}."
    )


def test_an_answer_is_halved_while_nobody_knows_the_prompt() -> None:
    error = overflow(uncounted(128_000, 65_535))
    assert isinstance(error, AnswerTooLong)
    assert "exceed context limit: 95233 + 65535 > 128000," in error.message


def test_halving_ends_in_compaction() -> None:
    error = overflow(uncounted(128_000, 8_000))
    assert isinstance(error, PromptTooLong)
    assert error.message == "prompt is too long"


def test_other_refusals_are_left_alone() -> None:
    assert overflow("max_tokens is too large: 99999. This model supports at most 8192 completion tokens.") is None
