"""What each tier leaves out, and what none does."""

import pytest

from anyclaude.prompt.options import FilterTier
from anyclaude.prompt.safe_filter import TIERS, choose, safe_filter
from tests.unit.prompt.prompts import IDENTITY, LONG_BULLET, LONG_RULE, MINE, PROMPT

NAMES = ("Read", "Edit")


def filtered(tier: FilterTier, text: str = PROMPT) -> str:
    found = safe_filter([text], NAMES, tier)
    assert found.texts is not None
    assert found.tier == tier
    return found.texts[0]


def test_minimal_drops_manners_and_news_and_nothing_else() -> None:
    expected = PROMPT.replace("# Tone and style\nSpeak softly.\n\n# Text output (for readers)\nShort words.\n\n", "")
    assert filtered("minimal") == expected.replace(" - The library of Claude has new shelves.\n", "")


def test_moderate_drops_examples_and_explanations_too() -> None:
    text = filtered("moderate")
    assert LONG_BULLET not in text
    assert "- Books stand upright. The shelf number 0" in text
    assert "pocket atlas" not in text
    assert "two books" not in text
    assert "a shelf, please" not in text
    assert LONG_RULE in text
    assert "Dust is swept" in text
    assert "the form of a note" in text
    assert "<types>" in text


def test_aggressive_keeps_first_lines_and_first_sentences() -> None:
    text = filtered("aggressive")
    assert "First of the tasks." in text
    assert "Lamps" not in text
    assert LONG_RULE not in text
    assert "Always ask before the destructive cleaning." in text
    assert "They are read each day." not in text
    assert "<types>" not in text
    assert "It is quick." in text


def test_extreme_keeps_rules_of_tools_and_dangers() -> None:
    text = filtered("extreme")
    assert text.startswith(IDENTITY)
    assert " - Prefer Read to guessing.\n - A tool call names its tool. Come to Edit last.\n" in text
    assert "It is quick" not in text
    assert "First of the tasks" not in text
    assert "# Memory\nNotes of returned books lie in `/library/notes/`.\n\n# Environment" in text
    assert " - Working directory: /library\n - You are served by Claude" in text


@pytest.mark.parametrize("tier", TIERS)
def test_what_the_user_brought_stays_at_every_tier(tier: FilterTier) -> None:
    assert filtered(tier).endswith(MINE)
    assert "- What Claude of the desk says counts." in filtered(tier)


@pytest.mark.parametrize("tier", TIERS)
def test_a_prompt_that_is_not_claude_codes_is_left_alone(tier: FilterTier) -> None:
    assert filtered(tier, MINE) == MINE


def test_memory_survives_every_tier_and_a_note_says_where_it_was_cut() -> None:
    for tier in TIERS[:-1]:
        assert "## How to save memories" in filtered(tier)
        assert safe_filter([PROMPT], NAMES, tier).notes == ()
    found = safe_filter([PROMPT], NAMES, "extreme")
    assert found.notes == ("Of the section Memory the tier extreme leaves only its first line.",)


def test_each_tier_is_shorter_than_the_softer_one() -> None:
    sizes = [len(filtered(tier)) for tier in TIERS]
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == 4


def test_a_softer_tier_finds_nothing_to_do_after_a_harder_one() -> None:
    for index, tier in enumerate(TIERS):
        once = filtered(tier)
        assert [filtered(softer, once) for softer in TIERS[: index + 1]] == [once] * (index + 1)


def test_headings_that_are_gone_are_named() -> None:
    removed = safe_filter([PROMPT], NAMES, "extreme").removed
    gone = ("Doing tasks", "Task Management", "Tone and style", "Text output (for readers)", "How to save memories")
    assert removed == gone


def test_a_tier_that_loses_a_rule_gives_way_to_a_softer_one() -> None:
    prompt = "You may go.\n# System\nOne.\n Security comes later.\nRest. Then security.\n# Harness\nTwo."
    lost = prompt.replace(" Security comes later.\n", "")
    found = safe_filter([lost], (), "extreme")
    assert found.tier == "aggressive"
    assert found.notes == ("The tier extreme would lose security, so it is not used.",)
    assert safe_filter([prompt], (), "extreme").tier == "extreme"


def test_where_every_tier_leaves_nothing_none_is_valid() -> None:
    found = safe_filter(["# Tone and style\na\n# Text output\nb"], (), "moderate")
    assert found.texts is None
    assert len(found.notes) == 2


@pytest.mark.parametrize(
    ("tokens", "tier"),
    [
        (0, None),
        (2499, None),
        (2500, "minimal"),
        (5000, "moderate"),
        (10000, "aggressive"),
        (20000, "extreme"),
        (10**9, "extreme"),
    ],
)
def test_auto_grows_with_the_prompt(tokens: int, tier: str | None) -> None:
    assert choose("auto", tokens) == tier
    assert choose("moderate", tokens) == "moderate"


def test_what_was_shortened_is_named() -> None:
    found = safe_filter([PROMPT], NAMES, "moderate")
    assert found.shortened == ("Using your tools", "Doing tasks", "How to save memories", "Environment")
    assert not {*found.shortened} & {*found.removed}
    assert not safe_filter([MINE], NAMES, "moderate").shortened
