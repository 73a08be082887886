import pytest

from anyclaude.viewer import formats
from anyclaude.viewer.formats import NONE


@pytest.mark.parametrize(
    ("number", "said"),
    [(None, NONE), (0, "0"), (999, "999"), (999.6, "1k"), (18204, "18.2k"), (999_600, "1M"), (2_340_000_000, "2.34G")],
)
def test_short_numbers_round_up_into_the_next_unit(number: float | None, said: str) -> None:
    assert formats.short(number) == said


@pytest.mark.parametrize(("number", "said"), [(None, NONE), (12, "12 B"), (18204, "18.2 kB"), (5_000_000, "5 MB")])
def test_sizes(number: float | None, said: str) -> None:
    assert formats.size(number) == said


@pytest.mark.parametrize(
    ("ms", "said"),
    [
        (None, NONE),
        (0, "0 ms"),
        (999.4, "999 ms"),
        (999.6, "1.0 s"),
        (59_940, "59.9 s"),
        (59_960, "1 min 00 s"),
        (125_000, "2 min 05 s"),
        (3_780_000, "1 h 03 min"),
    ],
)
def test_durations(ms: float | None, said: str) -> None:
    assert formats.duration(ms) == said


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [(None, 5, NONE), (5, None, NONE), (0, 0, NONE), (0, 9, "0%"), (999, 1000, "99%"), (7, 7, "100%")],
)
def test_only_the_whole_is_all_of_it(part: float | None, whole: float | None, said: str) -> None:
    assert formats.share(part, whole) == said


def test_money_has_the_digits_that_say_something() -> None:
    assert [formats.money(each) for each in (None, 0, 0.00123, 12.3)] == [NONE, "$0.00", "$0.0012", "$12.30"]


def test_words_for_numbers() -> None:
    assert [formats.plural(1, "retry", "retries"), formats.plural(2048, "turn")] == ["1 retry", "2,048 turns"]
