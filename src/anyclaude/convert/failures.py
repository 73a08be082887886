"""An upstream's error as one of ours, by what it says rather than by whose dialect it is.

`error` is an object, or a plain string with status 400 (LM Studio), or `detail` takes its place (FastAPI). Overflow of
the context is looked for first, in every shape (`overflow`). Inside a stream there is no status, so the body's own
`code` counts. Where a status alone would mislead (OpenRouter's 403 is a refused prompt as often as a refused key), the
words decide; the next step ends the sentence.

Sources: recordings of llama.cpp b11549; the documents of LM Studio, mlx-lm, vLLM; for OpenRouter
https://openrouter.ai/docs/api_reference/errors-and-debugging and .../limits
"""

import math
import re
from collections.abc import Mapping
from typing import Any, Final

from anyclaude.convert.overflow import overflow
from anyclaude.errors import (
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

_LONGEST_MESSAGE: Final = 600
_LONGEST_RETRY: Final = 60  # seconds; Claude Code gives up at once on a longer `retry-after`

_CODES: Final = {
    "authentication": 401,
    "payment_required": 402,
    "permission_denied": 403,
    "not_found": 404,
    "rate_limit_exceeded": 429,
    "provider_unavailable": 502,
    "provider_overloaded": 503,
    "timeout": 504,
}
"""The status of OpenRouter's typed errors; what is not here is one of ours by its own code, or a 400 or 500 anyway."""

_NO_MODEL: Final = "choose another model with --model, or allow more providers in backends.openrouter.provider"
_STEPS: Final = (
    (r"data policy|guardrail restrictions|settings/privacy", "allow its providers there, or choose another model"),
    (r"found that support tool use", f"Claude Code needs tools: {_NO_MODEL}"),
    (r"no (?:allowed )?(?:endpoints|providers)|not a valid model", _NO_MODEL),
    (r"key limit exceeded", "raise the limit of the key there, or use another key"),
)
"""The next step, where the words ask for one of its own."""

_GONE: Final = re.compile(
    r"model (?:is|was) unloaded|model has crashed|^channel error|failed to load model.{0,200}operation canceled", re.I
)
"""LM Studio's words, with a 4xx among others: Claude Code repeats a request by itself, but only after a 5xx."""


def convert_failure(status: int | None, body: object, retry_after: str | None = None) -> AnyclaudeError:
    """The error to raise or to send for what the upstream said.

    status: the HTTP status, None when the error came inside a stream.
    body: the decoded JSON, or the text, of what it said.
    retry_after: its `retry-after` header, handed on.
    """
    message = _message(body)
    if too_long := _overflow(body, message):
        return too_long
    code = status or _code(body)
    said = f"the model server said: {message}" if message else f"the model server answered with status {code}"
    if _GONE.search(message):
        return UpstreamBroken(f"{said} (LM Studio loads it again for the next request; its log says why it went)")
    if code in (401, 403):
        return _not_let_in(code, body, said)
    retry_after = retry_after or _retry_after(body)
    if code == 402:
        return _unpaid(body, said, retry_after)
    if code == 404:
        return NotOffered(_with_step(said, "check the model's name and the server's address"))
    if code == 429:
        return RateLimited(_with_reset(said, retry_after), headers=_retry(retry_after))
    if code in (503, 529):
        return Overloaded(said, headers=_retry(retry_after))
    if code in (408, 504, 524):
        return UpstreamTimeout(said)
    if code is not None and 400 <= code < 500:
        return UpstreamRejected(_with_step(said), code)
    return UpstreamBroken(said)


def seconds_until_reset(reset: str | None, body: object, now: float) -> str | None:
    """OpenRouter's `X-RateLimit-Reset` as a `retry-after`; None where there is none.

    reset: the header, milliseconds since the epoch; older answers have it in the body. now: seconds since the epoch.
    """
    inner = _metadata(body).get("headers")
    reset = reset or (inner.get("X-RateLimit-Reset") if isinstance(inner, Mapping) else None)
    if not (isinstance(reset, str) and reset.isascii() and reset.isdigit() and len(reset) == 13):
        return None
    return str(max(1, math.ceil(int(reset) / 1000 - now)))


def _not_let_in(code: int, body: object, said: str) -> AnyclaudeError:
    """A 401 is about the key. A 403 is that too, or a spent limit, a flagged prompt, a provider's own rule."""
    metadata = _metadata(body)
    if code == 403 and "key limit exceeded" in said.lower():
        return UpstreamRejected(_with_step(said), 402)
    flagged = _flagged(metadata)
    if code == 403 and (flagged or re.search(r"flagged|moderation|blocked|guardrail", said, re.I)):
        reasons = f" ({flagged})" if flagged else ""
        return UpstreamRejected(f"{said}{reasons}; this is about the prompt: rephrase it, or choose another model")
    if code == 403 and metadata.get("provider_name"):
        return UpstreamRejected(f"{said} ({_NO_MODEL})")
    return UpstreamRefusedUs(f"the model server refused our API key ({code}); check it. {said}")


def _flagged(metadata: Mapping[str, Any]) -> str:
    """What OpenRouter's moderation or a guardrail found, in a few words."""
    found = [("reasons", "reasons"), ("patterns", "patterns"), ("flagged_input", "flagged")]
    parts = [f"{word}: {text}" for name, word in found if (text := _joined(metadata.get(name)))]
    return _one_line("; ".join(parts), 300)


def _joined(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(one for one in value if isinstance(one, str))
    return value if isinstance(value, str) else ""


def _unpaid(body: object, said: str, retry_after: str | None) -> AnyclaudeError:
    """Only a budget that is filled by requests under way empties by itself; it comes with a `retry-after`."""
    metadata = _metadata(body)
    if retry_after or metadata.get("limit_source") == "openrouter_in_flight_budget":
        return RateLimited(said, headers=_retry(retry_after))
    hint = metadata.get("remedy_hint")
    step = _one_line(hint, 300) if isinstance(hint, str) else "add credits there, or choose another model with --model"
    return UpstreamRejected(_with_step(said, step), 402)


def _with_step(said: str, otherwise: str = "") -> str:
    step = next((step for words, step in _STEPS if re.search(words, said, re.IGNORECASE)), otherwise)
    return f"{said} ({step})" if step else said


def _with_reset(said: str, retry_after: str | None) -> str:
    """When to come back, where Claude Code does not wait that long by itself."""
    if retry_after and retry_after.isascii() and retry_after.isdigit() and int(retry_after) > _LONGEST_RETRY:
        minutes = math.ceil(int(retry_after) / 60)
        return f"{said} (the limit is lifted in {minutes} minutes; until then choose another model with /model)"
    return said


def _overflow(body: object, message: str) -> AnyclaudeError | None:
    error = body.get("error") if isinstance(body, Mapping) else None
    if isinstance(error, Mapping) and error.get("type") == "exceed_context_size_error":
        return PromptTooLong(_number(error.get("n_prompt_tokens")), _number(error.get("n_ctx")))
    if said := overflow(message):
        return said
    return PromptTooLong(None, None) if _metadata(body).get("error_type") == "context_length_exceeded" else None


def _message(body: object) -> str:
    """The human sentence in an error body, on one line and of bounded length."""
    if isinstance(body, Mapping):
        inner = body.get("error") or body.get("detail") or body.get("message")
        if isinstance(inner, Mapping):
            inner = _with_provider(inner)
        body = inner
    return _one_line(body, _LONGEST_MESSAGE) if isinstance(body, str) else ""


def _one_line(text: str, longest: int) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * longest]).split())[:longest]


def _with_provider(error: Mapping[str, Any]) -> object:
    """The words of an error; where OpenRouter only says that a provider failed, the provider's own behind them."""
    said = error.get("message") or error.get("type")
    metadata = _metadata({"error": error})
    name, raw = metadata.get("provider_name"), metadata.get("raw")
    if not (isinstance(raw, str) and raw):
        return said
    return f"{said} ({name}): {raw}" if isinstance(name, str) and name else f"{said}: {raw}"


def _metadata(body: object) -> Mapping[str, Any]:
    """OpenRouter's `error.metadata`, empty where there is none."""
    match body:
        case {"error": {"metadata": Mapping() as metadata}}:
            return metadata
    return {}


def _code(body: object) -> int | None:
    error: Any = body.get("error") if isinstance(body, Mapping) else None
    if not isinstance(error, Mapping):
        return None
    typed = _metadata(body).get("error_type")
    return _number(error.get("code")) or _number(error.get("http_status")) or _CODES.get(str(typed))


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
