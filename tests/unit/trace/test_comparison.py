"""Two sessions side by side."""

from dataclasses import replace

from anyclaude.trace.comparison import UNKNOWN, by_backend, compared, figures
from anyclaude.trace.turn import Turn, turn_of
from tests.support.records import record

EMPTY = turn_of(record(), "lmstudio/trace.json", 0.0)
FIRST = replace(
    EMPTY,
    outcome="complete",
    prompt_tokens=1000,
    cached_tokens=900,
    output_tokens=100,
    cost=0.5,
    first_token_ms=1000.0,
    end_ms=3000.0,
    kept_bytes=80,
    before_bytes=100,
)


def rows(first: list[Turn], second: list[Turn]) -> dict[str, tuple[str, str, float | None]]:
    return {row.name: (row.first, row.second, row.ratio) for row in compared(figures(first), figures(second))}


def test_sums_and_means() -> None:
    later = replace(
        FIRST, first_token_ms=3000.0, end_ms=5000.0, output_tokens=300, retries=2, repairs=1, outcome="left"
    )
    found = figures([FIRST, later, replace(EMPTY, outcome="error", queued_ms=5.0)])
    assert (found.turns, found.errors, found.left, found.retries, found.repairs) == (3, 1, 1, 2, 1)
    assert (found.prompt_tokens, found.cached_tokens, found.computed_tokens, found.output_tokens) == (
        2000,
        1800,
        200,
        400,
    )
    assert (found.cost, found.ttft_mean, found.ttft_p95, found.queued_ms) == (1.0, 2000.0, 3000.0, 5.0)
    assert (found.tokens_a_second, found.kept) == (100.0, 0.8)


def test_the_95th_percentile() -> None:
    turns = [replace(FIRST, first_token_ms=float(ms)) for ms in range(1, 101)]
    assert figures(turns).ttft_p95 == 95.0
    assert figures(turns[:20]).ttft_p95 == 19.0


def test_what_nobody_said_is_unknown() -> None:
    found = rows([EMPTY], [FIRST])
    assert found["cost"] == (UNKNOWN, "$0.5000", None)
    assert found["to the first token, mean"] == (UNKNOWN, "1.0 s", None)
    assert rows([], [])["requests"] == ("0", "0", None)


def test_side_by_side() -> None:
    found = rows([FIRST], [FIRST, FIRST])
    assert found["prompt tokens"] == ("1,000", "2,000", 2.0)
    assert found["tokens a second"] == ("50.0", "50.0", 1.0)
    assert found["of the last prompt kept"] == ("80.0%", "80.0%", 1.0)


def test_by_backend() -> None:
    one, other = replace(FIRST, backend="claude"), replace(FIRST, backend="openrouter")
    assert by_backend([one, other, one]) == {"claude": [one, one], "openrouter": [other]}
