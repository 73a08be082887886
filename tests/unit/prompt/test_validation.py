"""What the check protects: the rules of a prompt, and the tools that they name."""

from anyclaude.prompt.sections import split
from anyclaude.prompt.validation import CRITICAL, compare, rules
from tests.unit.prompt.prompts import PROMPT

SECTIONS = split([PROMPT])
NAMES = ("Read", "Edit", "Write")


def test_the_same_prompt_is_valid_and_says_what_was_found() -> None:
    verdict = compare(SECTIONS, SECTIONS, NAMES)
    assert verdict.valid
    assert verdict.present == ("identity", "tools", "tool calls", "security", "permission", "environment")
    assert set(verdict.present) <= set(CRITICAL)


def test_a_tool_that_the_rules_no_longer_name_is_lost() -> None:
    after = split([PROMPT.replace("Come to Edit last", "Come last")])
    verdict = compare(SECTIONS, after, NAMES)
    assert not verdict.valid
    assert verdict.tools == ("Edit",)
    assert verdict.complaint() == "the tool Edit"


def test_a_tool_named_in_passing_may_go() -> None:
    for passing in ("# Doing tasks\n", "<example>\nuser: a shelf, please\n", "# Tone and style\n", "# Memory\n"):
        before = split([PROMPT.replace(passing, f"{passing}Prefer Write here.\n", 1)])
        assert compare(before, SECTIONS, NAMES).valid


def test_to_name_a_tool_elsewhere_is_not_enough() -> None:
    moved = PROMPT.replace("Come to Edit last.", "").replace("First of the tasks.", "Come to Edit last.")
    assert compare(SECTIONS, split([moved]), NAMES).tools == ("Edit",)


def test_a_tool_that_is_not_offered_is_not_looked_for() -> None:
    assert compare(SECTIONS, split([PROMPT.replace("Come to Edit last", "")]), ("Read",)).valid


def test_a_critical_pattern_that_is_gone_is_missing() -> None:
    sections = [section for section in SECTIONS if section.rank != "environment"]
    verdict = compare(SECTIONS, sections, NAMES)
    assert verdict.missing == ("environment",)
    assert verdict.complaint() == "environment"


def test_rules_are_critical_sections_and_those_of_others_without_examples() -> None:
    said = rules(SECTIONS)
    assert "A tool call names its tool" in said
    assert "speak like a sailor" in said
    assert "a shelf, please" not in said
    assert "Dust is swept" not in said
    assert "Notes of returned books" not in said
