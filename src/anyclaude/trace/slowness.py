"""Why a turn was slow: where its time went, how much of its prompt was computed, and what broke the prompt.

The verdict names the longest stretch of the waterfall and what is known of it, in one plain sentence.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from anyclaude.trace.measured import Measured, measured
from anyclaude.trace.parts import mappings, notes, printable, word
from anyclaude.trace.tokens import count, tokens_of

QUICK: Final = 2000.0
"""Milliseconds within which no answer is slow."""

FEW: Final = 0.1
"""Share of a prompt that is new in any turn."""

Cause = Literal[
    "nothing",
    "queue",
    "failed attempt",
    "prepare",
    "prompt changed",
    "not kept",
    "prompt",
    "writing",
    "failed",
    "unknown",
]


@dataclass(frozen=True, slots=True)
class Slowness(Measured):
    """verdict: one sentence, in printable characters."""

    cause: Cause
    verdict: str


def slowness(record: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> Slowness:
    """Why a request took as long as it did. before: the agent's request before, if there is one. Never raises."""
    found = measured(record, before)
    cause, verdict = _judged(found, record, before)
    return Slowness(
        found.spans, found.end, found.tokens, found.change, found.noted, cause=cause, verdict=printable(verdict)
    )


Verdict = tuple[Cause, str]


def _judged(found: Measured, record: Mapping[str, Any], before: Mapping[str, Any] | None) -> Verdict:
    if record.get("outcome") == "error":
        return "failed", f"it failed after {seconds(found.end)}: {word(record.get('error')) or 'nobody said why'}"
    if found.end is None:
        return "unknown", "the record does not say how long it took"
    if found.end < QUICK:
        return "nothing", f"nothing unusual: it took {seconds(found.end)}"
    stretches: Mapping[str, float] = {
        "queue": found.ms("queue"),
        "failed attempt": found.ms("failed attempt"),
        "prepare": found.ms("prepare"),
        "prompt": found.waited,
        "writing": found.ms("decode"),
        "unknown": found.ms("answer"),
    }
    longest = max(stretches, key=lambda name: stretches[name])
    return _prompt_computed(found, record, before) if longest == "prompt" else _told(longest, found, record)


def _told(longest: str, found: Measured, record: Mapping[str, Any]) -> Verdict:
    match longest:
        case "queue":
            return "queue", f"it waited {seconds(found.ms('queue'))} in the queue{_behind(record)}"
        case "failed attempt":
            many = max(1, len(mappings(record.get("upstream"))) - 1)
            tried = "an attempt that came" if many == 1 else f"{many} attempts that came"
            return "failed attempt", f"{tried} to nothing took {seconds(found.ms('failed attempt'))} before it"
        case "prepare":
            return "prepare", f"it took {seconds(found.ms('prepare'))} to make the request ready"
        case "writing":
            return "writing", _wrote(found)
    return "unknown", f"it took {seconds(found.end)}; when its first token came is not recorded"


def _behind(record: Mapping[str, Any]) -> str:
    others = max((count(note, "others") or 0 for note in notes(record, "queue")), default=0)
    return f" behind {others} other{'s' if others > 1 else ''}" if others else ""


def _wrote(found: Measured) -> str:
    rate = found.decode_rate
    if rate is None:
        return f"the model wrote for {seconds(found.ms('decode'))}"
    return f"the model wrote {found.tokens.output:,} tokens at {speed(rate)}"


def _prompt_computed(found: Measured, record: Mapping[str, Any], before: Mapping[str, Any] | None) -> Verdict:
    """Most of the time went by before the first token."""
    computed, of = found.tokens.computed, found.tokens.prompt
    broken = _broken(found)
    if computed is None or not of:
        first = f"it took {seconds(found.waited)} to the first token"
        return (
            ("prompt changed", f"{first}, and {broken}")
            if broken
            else ("prompt", f"{first}; what was cached is not known")
        )
    counted = f"{f'{computed:,} of {of:,}' if computed < of else f'all {of:,}'} prompt tokens were computed"
    if computed < FEW * of:
        return "prompt", f"it took {seconds(found.waited)} to the first token, though only {counted}"
    if broken:
        return "prompt changed", f"{counted} again, because {broken}"
    if before is not None and computed - _grown(found, before) > max(FEW * of, 1000):
        return (
            "not kept",
            f"{counted}, though the prompt begins with all of the last one: {_why_not_kept(record, before)}",
        )
    at = f", at {speed(rate)}" if (rate := found.prefill_rate) else ""
    return "prompt", f"{counted}{at}" + ("" if before is not None or found.noted else "; no request before it is known")


def _grown(found: Measured, before: Mapping[str, Any]) -> int:
    """Prompt tokens that are new since the request before; what the model wrote then is among them."""
    return max(0, (found.tokens.prompt or 0) - (tokens_of(before).prompt or 0))


def _broken(found: Measured) -> str:
    if found.change is not None:
        return found.change.what
    if found.noted is not None and found.noted.cause:
        return f"the prompt changed ({found.noted.cause}, {found.noted.block})"
    return ""


def _why_not_kept(record: Mapping[str, Any], before: Mapping[str, Any]) -> str:
    now, then = _asked(record), _asked(before)
    if now and then and now != then:
        return f"it went to {now}, and the one before to {then}"
    return "the upstream no longer had it, or does not say what it had"


def _asked(record: Mapping[str, Any]) -> str:
    """Who was asked at last, a node of the cluster by its name."""
    routes = notes(record, "route")
    return word(routes[-1].get("to")) if routes else ""


def seconds(ms: float | None) -> str:
    """A time to read."""
    if ms is None:
        return "an unknown time"
    if ms < 1000:
        return f"{ms:.0f} ms"
    return f"{ms / 1000:.1f} s" if ms < 10_000 else f"{ms / 1000:,.0f} s"


def speed(rate: float) -> str:
    return f"{rate:.1f} a second" if rate < 10 else f"{rate:,.0f} a second"
