"""What stays of a prompt in a budget."""

import pytest

from anyclaude.prompt.sections import split
from anyclaude.prompt.tokens import estimate
from anyclaude.prompt.truncate import NOTE, fitting, is_truncated, noted
from tests.unit.prompt.prompts import IDENTITY, LONG_PARAGRAPH, PROMPT

RULES = "You are here.\n# Harness\n" + "A rule.\n" * 40 + "# Using your tools\nTools.\n# Doing tasks\nAdvice.\n"


def truncated(text: str, tokens: int) -> str:
    return noted(fitting(split([text]), tokens))[0]


@pytest.mark.parametrize("tokens", [20, 60, 150, 400, 700])
def test_what_is_left_fits_and_ends_with_the_note(tokens: int) -> None:
    text = truncated(PROMPT, tokens)
    assert estimate(text) <= tokens
    assert text.endswith(NOTE)
    assert is_truncated([text])


def test_who_the_model_is_comes_first_then_where_it_works() -> None:
    text = truncated(PROMPT, 120)
    assert text.startswith(IDENTITY)
    assert " - Working directory: /library" in text
    assert "Dust is swept" not in text


def test_small_sections_stay_whole_and_the_largest_gives_its_first_lines() -> None:
    text = truncated(RULES, 60)
    assert text.startswith("You are here.\n# Harness\nA rule.")
    assert 0 < text.count("A rule.") < 40
    assert "# Using your tools\nTools.\n" in text


def test_what_the_user_brought_leaves_half_to_the_rules() -> None:
    text = truncated(RULES + "# Language\n" + f"{LONG_PARAGRAPH}\n" * 20 + "# Short\nMine.\n", 300)
    assert "# Using your tools\nTools.\n" in text
    assert "# Short\nMine." in text


def test_a_text_without_rules_takes_all() -> None:
    mine = "Mine.\n" * 400
    assert truncated(mine, 200).count("Mine.") > 80


def test_where_nothing_fits_only_the_note_is_left() -> None:
    assert truncated(PROMPT, 1) == NOTE
    assert noted(()) == {0: NOTE}


def test_sections_stay_in_their_order() -> None:
    kept = fitting(split([PROMPT]), 500)
    places = [split([PROMPT]).index(section) for section in kept if section in split([PROMPT])]
    assert places == sorted(places)
