"""Lines made shorter, so that nothing is left to do the second time."""

from hypothesis import given
from hypothesis import strategies as st

from anyclaude.prompt.shorten import (
    ELEMENTS,
    EXAMPLES,
    first_lines,
    first_sentences,
    is_bullet,
    single_blanks,
    without_elements,
    without_example_lines,
)

SENTENCES = st.lists(st.sampled_from(["One two.", "Three! ", "(Four?", "five", "`six`", '"Keep this', "e.g. x", "  "]))


def keep(sentence: str) -> bool:
    return "Keep" in sentence


def test_the_first_sentences_and_those_that_must_stay() -> None:
    unit = "One is here. Two is here. Three is here. Keep four. Five."
    assert first_sentences(unit, 0, keep) == "One is here. Keep four."
    assert first_sentences(unit, 28, keep) == "One is here. Two is here. Keep four."
    assert first_sentences(unit, 99, keep) == unit


def test_code_and_markup_have_no_sentences() -> None:
    for unit in ("```\nOne. Two.\n```", "<type>One. Two.</type>"):
        assert first_sentences(unit, 0, keep) == unit


@given(SENTENCES.map(" ".join) | st.text(), st.integers(0, 40))
def test_sentences_are_cut_once(unit: str, bound: int) -> None:
    once = first_sentences(unit, bound, keep)
    assert first_sentences(once, bound, keep) == once
    assert len(once) <= len(unit)


def test_elements_go_with_all_between_their_tags() -> None:
    units = [
        "a",
        "  <examples>",
        "<example>",
        "b",
        "</example>",
        "</examples>",
        "<other>",
        "c",
        "</other>",
        "<example>",
    ]
    assert list(without_elements(units, EXAMPLES)) == ["a", "<other>", "c", "</other>", "<example>"]
    assert list(without_elements(units, ELEMENTS)) == ["a", "<example>"]


def test_lines_that_only_give_an_example_go() -> None:
    units = ["- For example, a", "Examples:", "e.g. b", "exampled", "c, for example"]
    assert list(without_example_lines(units)) == ["exampled", "c, for example"]


def test_first_lines_are_those_that_say_something() -> None:
    assert first_lines(["", "a", "", "b", "c"], 2) == ["a", "b", ""]
    assert first_lines(["", "a", "", "b"], 2) == ["", "a", "", "b"]


def test_several_blank_lines_are_one() -> None:
    assert list(single_blanks(["", " ", "a", "", "", "b", ""])) == ["", "a", "", "b", ""]


def test_bullets() -> None:
    assert all(map(is_bullet, ["- a", "  * a", "1. a", "2) a"]))
    assert not any(map(is_bullet, ["-a", "a - b", ""]))
