"""Whether an upstream's refusal means that the context is full, in the many words that servers have for it.

Claude Code compacts for one sentence only, asks for a shorter answer for one other, and shows all the rest as it is.

Sources: recordings of llama.cpp b11549; the documents of LM Studio; vLLM's issues 3851 and 42474, which quote it;
https://openrouter.ai/docs/api_reference/errors-and-debugging
"""

import re
from typing import Final

from anyclaude.errors import AnswerTooLong, PromptTooLong

_LEAST_ANSWER: Final = 4000  # tokens; a shorter one is not worth asking for, compacting is
_WINDOW: Final = r"maximum context length (?:is|of) (?P<window>\d+) tokens"

_TOO_LONG: Final = tuple(
    re.compile(pattern, re.IGNORECASE | re.DOTALL)
    for pattern in (
        r"request \((?P<prompt>\d+) tokens\) exceeds the available context size \((?P<window>\d+)",
        r"n_keep:?\s*\(?(?P<prompt>\d+)\)?\s*>=\s*n_ctx:?\s*\(?(?P<window>\d+)",
        r"reached context length of (?P<window>\d+) tokens",
        r"maximum context length is (?P<window>\d+) tokens.{0,80}?(?P<prompt>\d+) (?:tokens|input)",
        r"prompt is too long[^0-9]*(?P<prompt>\d+)\s*tokens?\s*>\s*(?P<window>\d+)",
        r"(?:context (?:size|length|window) (?:has been |was )?exceeded|exceeds? (?:the |its )?(?:model'?s? )?"
        r"(?:available |maximum )?context|context (?:the )?overflows|context_length_exceeded|prompt is too long)",
    )
)

_PARTS: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        _WINDOW + r"[^(]{0,80}\((?P<inputs>[^)]{0,120}?)[,;]? (?P<output>\d+) (?:in|for) the (?:output|completion)",
        r"is too large: (?P<output>\d+)\..{0,40}" + _WINDOW + r" and your request has (?P<inputs>\d+) input tokens",
        _WINDOW + r".{0,60}? (?P<inputs>\d+) tokens from the input.{0,40}? (?P<output>\d+) tokens for the completion",
    )
)
"""Prompt and answer counted apart: OpenRouter `(81684 of text input, 3748 of tool input, 120000 in the output)`;
OpenAI, DeepSeek and vLLM `(20000 in the messages, 32000 in the completion)`; later vLLM; SGLang."""

_AT_LEAST: Final = re.compile(
    _WINDOW + r".{0,60}?requested (?P<output>\d+) output tokens and your prompt contains at least", re.IGNORECASE
)
"""vLLM 0.20 counts a prompt only as far as it has to, so that its count says nothing."""


def overflow(message: str) -> PromptTooLong | AnswerTooLong | None:
    """What Claude Code must be told, None where the message speaks of something else."""
    if uncounted := _AT_LEAST.search(message):
        return _half(int(uncounted["output"]), int(uncounted["window"]))
    for pattern in _PARTS:
        if match := pattern.search(message):
            prompt = sum(map(int, re.findall(r"\d+", match["inputs"])))
            window = int(match["window"])
            if prompt + _LEAST_ANSWER < window:
                return AnswerTooLong(prompt, int(match["output"]), window)
    return _too_long(message)


def _half(output: int, window: int) -> PromptTooLong | AnswerTooLong:
    """Half of the answer is asked for next, as if the prompt took the rest: nobody knows how long it is."""
    if output // 2 <= _LEAST_ANSWER:
        return PromptTooLong(None, None)
    return AnswerTooLong(window - output // 2, output, window)


def _too_long(message: str) -> PromptTooLong | None:
    for pattern in _TOO_LONG:
        if match := pattern.search(message):
            groups = match.groupdict()
            return PromptTooLong(_number(groups.get("prompt")), _number(groups.get("window")))
    return None


def _number(digits: str | None) -> int | None:
    return int(digits) if digits and len(digits) < 16 else None
