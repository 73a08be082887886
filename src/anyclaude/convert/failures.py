"""An upstream's error, from a status or from the middle of a stream, as one of ours.

The bodies come in many shapes: `{"error": {"message": ...}}`, `{"error": "..."}`, a bare string, `{"detail": ...}`. The
one case that must be told exactly is a prompt that does not fit: from the right words Claude Code compacts the
conversation, from any other it gives up. The patterns below were recorded from llama.cpp b11549 or are documented for
LM Studio, mlx-lm, vLLM and OpenRouter.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

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

_LONGEST_MESSAGE: Final = 600

_OVERFLOWS: Final = tuple(
    re.compile(pattern, re.IGNORECASE | re.DOTALL)
    for pattern in (
        r"request \((?P<prompt>\d+) tokens\) exceeds the available context size \((?P<window>\d+)",
        r"n_keep:?\s*\(?(?P<prompt>\d+)\)?\s*>=\s*n_ctx:?\s*\(?(?P<window>\d+)",
        r"maximum context length is (?P<window>\d+) tokens.{0,80}?(?P<prompt>\d+) (?:tokens|input)",
        r"prompt is too long[^0-9]*(?P<prompt>\d+)\s*tokens?\s*>\s*(?P<window>\d+)",
        r"(?:context (?:size|length|window) (?:has been |was )?exceeded|exceeds? (?:the |its )?(?:model'?s? )?"
        r"(?:available |maximum )?context|context (?:the )?overflows|context_length_exceeded|prompt is too long)",
    )
)


def convert_failure(status: int | None, body: object, retry_after: str | None = None) -> AnyclaudeError:
    """The error to raise or to send for what the upstream said.

    status: the HTTP status, None when the error came inside a stream.
    body: the decoded JSON, or the text, of what it said.
    retry_after: its `retry-after` header, handed on.
    """
    message = _message(body)
    if overflow := _overflow(body, message):
        return overflow
    code = status or _code(body)
    said = f"the model server said: {message}" if message else f"the model server answered with status {code}"
    if code in (401, 403):
        return UpstreamRefusedUs(f"the model server refused our API key ({code}); check it. {said}")
    retry_after = retry_after or _retry_after(body)
    if code == 402:
        return UpstreamRejected(f"{said} (add credits there, or choose another model with --model)", code)
    if code == 429:
        return RateLimited(said, headers=_retry(retry_after))
    if code in (503, 529):
        return Overloaded(said, headers=_retry(retry_after))
    if code in (408, 504, 524):
        return UpstreamTimeout(said)
    if code is not None and 400 <= code < 500:
        return UpstreamRejected(said, code)
    return UpstreamBroken(said)


def _overflow(body: object, message: str) -> PromptTooLong | None:
    error = body.get("error") if isinstance(body, Mapping) else None
    if isinstance(error, Mapping) and error.get("type") == "exceed_context_size_error":
        return PromptTooLong(_number(error.get("n_prompt_tokens")), _number(error.get("n_ctx")))
    for pattern in _OVERFLOWS:
        if match := pattern.search(message):
            groups = match.groupdict()
            return PromptTooLong(_number(groups.get("prompt")), _number(groups.get("window")))
    return None


def _message(body: object) -> str:
    """The human sentence in an error body, on one line and of bounded length."""
    if isinstance(body, Mapping):
        inner = body.get("error") or body.get("detail") or body.get("message")
        if isinstance(inner, Mapping):
            inner = _with_provider(inner)
        body = inner
    text = body if isinstance(body, str) else ""
    text = "".join(c if c.isprintable() else " " for c in text[: 4 * _LONGEST_MESSAGE])
    return " ".join(text.split())[:_LONGEST_MESSAGE]


def _with_provider(error: Mapping[str, Any]) -> object:
    """The words of an error; where OpenRouter only says that a provider failed, the provider's own behind them."""
    said = error.get("message") or error.get("type")
    metadata = error.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, Mapping) else None
    return f"{said}: {raw}" if isinstance(raw, str) and raw else said


def _code(body: object) -> int | None:
    error: Any = body.get("error") if isinstance(body, Mapping) else None
    if not isinstance(error, Mapping):
        return None
    return _number(error.get("code")) or _number(error.get("http_status"))


def _retry_after(body: object) -> str | None:
    """Seconds, where OpenRouter says them in the body."""
    match body:
        case {"error": {"availability": {"retry_after": int(seconds)}}} if seconds >= 0:
            return str(seconds)
    return None


def _number(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        return int(value)
    return value if isinstance(value, int) else None


def _retry(retry_after: str | None) -> dict[str, str]:
    """Seconds or a date; anything that could not stand in a head of ours is left out."""
    usable = retry_after and retry_after.isascii() and retry_after.isprintable()
    return {"retry-after": retry_after} if retry_after and usable else {}
