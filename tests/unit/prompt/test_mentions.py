"""Names of tools told from the words that some of them are."""

import pytest

from anyclaude.prompt.mentions import mentioned

NAMES = ("Read", "Write", "TaskCreate", "mcp__shelf__find", "mcp__shelf__find_all", "search")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Prefer Read to guessing", {"Read"}),
        ("(Read, Write)", {"Read", "Write"}),
        ("Write code that reads well.", set()),
        (" - Write code. Read it. ", set()),
        ("1. Read it", set()),
        ("Write tool calls", {"Write"}),
        ("`Write` it", {"Write"}),
        ("TaskCreate first", {"TaskCreate"}),
        ("TaskCreated, Reader", set()),
        ("search the web", set()),
        ("the search tool and `search`", {"search"}),
        ("the tool search", {"search"}),
        ("mcp__shelf__find_all", {"mcp__shelf__find_all"}),
        ("use mcp__shelf__find.", {"mcp__shelf__find"}),
        ("", set()),
    ],
)
def test_a_name_counts_as_a_tool_or_not(text: str, named: set[str]) -> None:
    assert mentioned(text, NAMES) == named


def test_no_names_are_never_named() -> None:
    assert mentioned("Read", ()) == mentioned("Read", ("",)) == frozenset()


def test_names_are_no_patterns() -> None:
    assert mentioned("use a.b, not axb", ("a.b", "a(")) == {"a.b"}
