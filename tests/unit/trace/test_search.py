"""What is typed is never taken for the language of the index."""

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyclaude.trace.search import excerpt_of, question


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        ("one two", '"one"* "two"*'),
        ('"no such file" main.py', '"no such file" "main.py"*'),
        ('"not closed', '"not closed"'),
        ("a AND b* (c)", '"a"* "AND"* "b*"* "(c)"*'),
        ("  ", None),
        ("-- * ()", None),
        ('""', None),
    ],
)
def test_a_question(typed: str, asked: str | None) -> None:
    assert question(typed) == asked


@given(st.text(st.sampled_from("ab \"'*()^:-+\0{}ANDORTé"), max_size=40))
def test_whatever_is_typed_can_be_asked(typed: str) -> None:
    asked = question(typed)
    if asked:
        words = sqlite3.connect(":memory:")
        words.execute("CREATE VIRTUAL TABLE words USING fts5 (said)")
        words.execute("SELECT rowid FROM words WHERE words MATCH ?", [asked]).fetchall()
        words.close()


def test_an_excerpt_comes_in_pieces() -> None:
    assert excerpt_of("a \x02b\x03 c\x02d\x03") == (("a ", False), ("b", True), (" c", False), ("d", True))
    assert excerpt_of("a") == (("a", False),)
    assert excerpt_of("") == ()
