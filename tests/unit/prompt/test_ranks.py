"""Claude Code's own words told from somebody else's."""

import pytest

from anyclaude.prompt.ranks import plain, ranks
from anyclaude.prompt.sections import split
from tests.unit.prompt.prompts import PROMPT


def test_sections_of_a_main_prompt() -> None:
    assert [(section.heading, section.rank) for section in split([PROMPT])] == [
        ("", "critical"),
        ("Using your tools", "critical"),
        ("Doing tasks", "useful"),
        ("Task Management", "useful"),
        ("Tone and style", "optional"),
        ("Text output (for readers)", "optional"),
        ("Memory", "feature"),
        ("How to save memories", "feature"),
        ("Environment", "environment"),
        ("Language", "theirs"),
        ("Output Style: sailor", "theirs"),
        ("Tone and style", "theirs"),
        ("Examples", "theirs"),
        ("House rules", "theirs"),
        ("gitStatus", "theirs"),
        ("main", "theirs"),
    ]


def test_a_heading_that_is_not_known_is_somebody_elses() -> None:
    assert list(ranks([["Harness"], ["Shelves"], ["Doing tasks"]])) == ["critical", "theirs", "useful"]


def test_a_text_with_one_known_heading_is_not_claude_codes() -> None:
    assert list(ranks([[], ["Tone and style"], ["Examples"]])) == ["theirs"] * 3


def test_what_stands_under_a_known_heading_is_ranked_with_it() -> None:
    assert list(ranks([["Harness"], ["auto memory", "Types of memory"], ["System", "Memory"]])) == [
        "critical",
        "feature",
        "feature",
    ]


def test_the_index_of_memories_belongs_to_the_user() -> None:
    below = [["Harness"], ["System"], ["Memory"], ["Memory", "MEMORY.md"], ["Tone and style"]]
    assert list(ranks(below))[-2:] == ["theirs", "theirs"]


@pytest.mark.parametrize("heading", ["<env>", "Environment", "environment:"])
def test_the_older_mark_of_an_environment(heading: str) -> None:
    assert list(ranks([["Harness"], ["System"], [heading], ["Environment"]]))[2:] == ["environment", "theirs"]


@pytest.mark.parametrize(
    ("heading", "words"),
    [
        ("Looking up your own documentation:", "looking up your own documentation"),
        ("Text output (does not apply)", "text output"),
        ("Text (a) output", "text (a) output"),
        ("(", "("),
        ("", ""),
    ],
)
def test_headings_are_compared_without_asides(heading: str, words: str) -> None:
    assert plain(heading) == words
