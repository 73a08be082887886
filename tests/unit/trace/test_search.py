"""What is typed is never taken for the language of the index."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyclaude.trace.search import excerpt_of, question


@pytest.fixture(scope="module")
def words() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE VIRTUAL TABLE words USING fts5 (said)")
        yield connection


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


@given(typed=st.text(st.sampled_from("ab \"'*()^:-+\0{}ANDORTé"), max_size=40))
def test_whatever_is_typed_can_be_asked(words: sqlite3.Connection, typed: str) -> None:
    if asked := question(typed):
        words.execute("SELECT rowid FROM words WHERE words MATCH ?", [asked]).fetchall()


def test_an_excerpt_comes_in_pieces() -> None:
    assert excerpt_of("a \x02b\x03 c\x02d\x03") == (("a ", False), ("b", True), (" c", False), ("d", True))
    assert excerpt_of("a") == (("a", False),)
    assert excerpt_of("") == ()
