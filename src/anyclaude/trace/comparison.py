"""Two sessions, or two backends, side by side: what their requests took in tokens, time and money."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from anyclaude.trace.turn import Turn

UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True)
class Figures:
    """Sums and means of some requests; None where none of them says.

    left: the client closed the connection. ttft: ms to the first token, of those in which one came. tokens_a_second:
    written, from the first token to the end. cost: US dollars. kept: how much of their last prompts these began with,
    from 0 to 1.
    """

    turns: int
    errors: int
    left: int
    retries: int
    repairs: int
    prompt_tokens: int | None
    cached_tokens: int | None
    computed_tokens: int | None
    output_tokens: int | None
    cost: float | None
    ttft_mean: float | None
    ttft_p95: float | None
    tokens_a_second: float | None
    queued_ms: float | None
    kept: float | None


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of two, to be read. ratio: the second to the first, None where that says nothing."""

    name: str
    first: str
    second: str
    ratio: float | None


def figures(turns: Iterable[Turn]) -> Figures:
    """What there is to tell of these requests together."""
    turns = list(turns)
    first_tokens = sorted(turn.first_token_ms for turn in turns if turn.first_token_ms is not None)
    return Figures(
        turns=len(turns),
        errors=sum(turn.outcome == "error" for turn in turns),
        left=sum(turn.outcome == "left" for turn in turns),
        retries=sum(turn.retries for turn in turns),
        repairs=sum(turn.repairs for turn in turns),
        prompt_tokens=_sum(turn.prompt_tokens for turn in turns),
        cached_tokens=_sum(turn.cached_tokens for turn in turns),
        computed_tokens=_sum(_computed(turn) for turn in turns),
        output_tokens=_sum(turn.output_tokens for turn in turns),
        cost=_sum(turn.cost for turn in turns),
        ttft_mean=sum(first_tokens) / len(first_tokens) if first_tokens else None,
        ttft_p95=first_tokens[math.ceil(0.95 * len(first_tokens)) - 1] if first_tokens else None,
        tokens_a_second=_speed(turns),
        queued_ms=_sum(turn.queued_ms for turn in turns),
        kept=_kept(turns),
    )


def by_backend(turns: Iterable[Turn]) -> dict[str, list[Turn]]:
    """Those of each backend, in their order."""
    found: dict[str, list[Turn]] = {}
    for turn in turns:
        found.setdefault(turn.backend, []).append(turn)
    return found


def compared(first: Figures, second: Figures) -> list[Row]:
    """Each figure of the two beside the other, as a person reads it."""
    return [
        Row(name, _told(getattr(first, field), say), _told(getattr(second, field), say), _ratio(first, second, field))
        for field, name, say in _ROWS
    ]


def _sum(values: Iterable[Any]) -> Any:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _computed(turn: Turn) -> int | None:
    if turn.prompt_tokens is None or turn.cached_tokens is None:
        return None
    return max(0, turn.prompt_tokens - turn.cached_tokens)


def _speed(turns: Sequence[Turn]) -> float | None:
    wrote = list(_wrote(turns))
    ms = sum(ms for _, ms in wrote)
    return 1000 * sum(tokens for tokens, _ in wrote) / ms if ms > 0 else None


def _wrote(turns: Sequence[Turn]) -> Iterator[tuple[int, float]]:
    """Tokens, and the milliseconds in which they were written, where both are known."""
    for turn in turns:
        if turn.output_tokens and turn.first_token_ms is not None and turn.end_ms is not None:
            yield turn.output_tokens, max(0.0, turn.end_ms - turn.first_token_ms)


def _kept(turns: Sequence[Turn]) -> float | None:
    told = [(turn.kept_bytes, turn.before_bytes) for turn in turns if turn.kept_bytes is not None and turn.before_bytes]
    before = sum(of for _, of in told)
    return sum(kept for kept, _ in told) / before if before else None


def _ratio(first: Figures, second: Figures, field: str) -> float | None:
    one, other = getattr(first, field), getattr(second, field)
    return other / one if one and other is not None else None


def _told(value: Any, say: Callable[[Any], str]) -> str:
    return UNKNOWN if value is None else say(value)


def _count(value: int) -> str:
    return f"{value:,}"


def _time(ms: float) -> str:
    return f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:,.1f} s"


_ROWS: Final[Sequence[tuple[str, str, Callable[[Any], str]]]] = (
    ("turns", "requests", _count),
    ("errors", "errors", _count),
    ("left", "left by the client", _count),
    ("retries", "sent again", _count),
    ("repairs", "repairs", _count),
    ("prompt_tokens", "prompt tokens", _count),
    ("cached_tokens", "of these cached", _count),
    ("computed_tokens", "of these computed", _count),
    ("output_tokens", "tokens written", _count),
    ("cost", "cost", lambda cost: f"${cost:.4f}"),
    ("ttft_mean", "to the first token, mean", _time),
    ("ttft_p95", "to the first token, 95th percentile", _time),
    ("tokens_a_second", "tokens a second", lambda speed: f"{speed:.1f}"),
    ("queued_ms", "waited in queues", _time),
    ("kept", "of the last prompt kept", lambda share: f"{100 * share:.1f}%"),
)
