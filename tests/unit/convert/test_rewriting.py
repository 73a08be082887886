"""A change brings the original back exactly, holds no more than it must, and does no harm where it does not belong."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyclaude.convert.rewriting import change_of, rewritten_back
from anyclaude.wire.json import decode_lenient, encode

TEXT = st.text(alphabet="ab \t\n\r\N{SNOWMAN}", max_size=12)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


def as_kept(change: object) -> Any:
    """As it comes back from a file."""
    return decode_lenient(encode(change))


@pytest.mark.parametrize(
    ("original", "now"),
    [
        ({"b": 1, "a": 2}, {"a": 2, "b": 1}),
        ({"a": "x"}, {"replace_all": False, "a": "x"}),
        ({"a": "one  \n two\t\n\n \n"}, {"a": "one\n two"}),
        ({"a": "one\n\n"}, {"a": "one"}),
        ({"a": "cd /work && ls"}, {"a": "ls"}),
        ({"list": [{"b": 1, "a": "x "}, 2]}, {"list": [{"a": "x", "b": 1}, 2]}),
    ],
)
def test_of_what_claude_code_changes_no_word_of_the_text_is_kept(original: Any, now: Any) -> None:
    change = change_of(original, now)
    assert encode(rewritten_back(as_kept(change), now)) == encode(original)
    assert b"whole" not in encode(change)
    assert b"one" not in encode(change)


def test_a_number_that_was_a_string_is_kept_as_it_was() -> None:
    assert change_of({"limit": "5", "path": "/a"}, {"limit": 5, "path": "/a"}) == {
        "keys": [["limit", {"whole": "5"}], ["path", None]]
    }


def test_what_is_the_same_needs_nothing() -> None:
    assert change_of({"a": 1, "b": [2]}, {"a": 1, "b": [2]}) is None


@given(original=VALUE, now=VALUE)
def test_the_original_comes_back_whatever_it_became(original: Any, now: Any) -> None:
    assert encode(rewritten_back(as_kept(change_of(original, now)), now)) == encode(original)


@given(
    change=VALUE | st.dictionaries(st.sampled_from(["keys", "items", "tails", "start"]), VALUE, max_size=2), now=VALUE
)
def test_a_change_that_is_none_is_refused_in_one_way(change: Any, now: Any) -> None:
    with suppress(ValueError):
        rewritten_back(change, now)


def test_no_text_grows_without_bound() -> None:
    with pytest.raises(ValueError, match="does not belong"):
        rewritten_back({"tails": [[10**12, ""]]}, "text")
