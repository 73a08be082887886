"""Cutting a prompt at its headings, and putting it together."""

from hypothesis import given
from hypothesis import strategies as st

from anyclaude.prompt.sections import joined, split
from tests.unit.prompt.prompts import PROMPT


@given(st.lists(st.text() | st.text("#`~\n <env>x"), max_size=4))
def test_joined_they_are_the_same_texts(texts: list[str]) -> None:
    assert joined(split(texts)) == dict(enumerate(texts))


@given(st.integers(0, len(PROMPT.encode())), st.integers(0, len(PROMPT.encode())))
def test_every_cut_of_a_prompt_can_be_taken_apart(start: int, end: int) -> None:
    text = PROMPT.encode()[start:end].decode(errors="replace")
    assert joined(split([text])) == {0: text}


def test_fenced_lines_are_no_headings_and_one_unit() -> None:
    sections = split(["```\n# no heading\n```\n# heading\n~~~\n# open"])
    assert [section.headings for section in sections] == [(), ("heading",)]
    assert sections[1].units == ("# heading", "~~~\n# open")


def test_headings_know_those_above_them() -> None:
    sections = split(["# a\n## b\n### c\n## d\n# e\n####### f\n#g"])
    assert [section.headings for section in sections] == [("a",), ("a", "b"), ("a", "b", "c"), ("a", "d"), ("e",)]


def test_two_lines_that_are_no_headings_open_a_section() -> None:
    sections = split(["# a\nwords\n<env>\nhere\ngitStatus: clean\nmain\n <env>"])
    assert [(section.heading, section.body) for section in sections] == [
        ("a", ("words",)),
        ("<env>", ("here",)),
        ("gitStatus", ("main", " <env>")),
    ]


def test_a_section_with_another_body_keeps_its_heading() -> None:
    assert split(["# a\nb\nc"])[0].with_body(["d"]).text == "# a\nd"
    assert split(["b\nc"])[0].with_body(["d"]).text == "d"
