"""Any mixture of what calls are made of, cut in any way."""

import itertools
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from anyclaude.convert.text_calls import Call, Text, Thinking
from anyclaude.convert.text_calls.formats import BY_OPENER, FOLLOWING
from tests.support.call_corpus import examples, scan

_CALLS = [example.text for example in examples() if example.calls and len(example.text) < 400]
_FRAGMENTS = st.one_of(
    st.sampled_from([*FOLLOWING, "<think>", "</think>", "[/THINK]", "</tool_call>", "<|message|>", "<|end|>"]),
    st.sampled_from(
        [
            "```\n",
            "\n~~~\n",
            "`",
            "\n",
            "\n\n",
            " ",
            ". ",
            "    ",
            "> ",
            "{",
            "}",
            "[",
            "]",
            '"',
            "\\",
            "é",
            "\U0001f642",
        ]
    ),
    st.sampled_from(
        ['{"name": "Bash", "arguments": {"command": "', '"}}', "<parameter=command>", "</parameter>", "functions.Bash"]
    ),
    st.sampled_from(["Bash", "Read(", "final", "commentary to=", "[ARGS]{}", "call:Bash{", "Some prose"]),
    st.sampled_from(_CALLS),
    st.text(max_size=8),
)
_ANSWERS = st.lists(_FRAGMENTS, max_size=8).map("".join)


def _words(text: str) -> list[str]:
    """As tokens come: most hold nothing that could be a mark."""
    return re.findall(r"\s*\w+|\s+|\W", text)


@settings(max_examples=400, deadline=None)
@given(text=_ANSWERS, cuts=st.lists(st.integers(0, 400), max_size=10), opened=st.booleans())
def test_cuts_make_no_difference(text: str, cuts: list[int], opened: bool) -> None:
    ends = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[a:b] for a, b in itertools.pairwise(ends)]
    whole = scan([text], opened)
    assert scan(pieces, opened) == whole
    assert scan(_words(text), opened) == whole
    assert scan(list(text), opened) == whole


@settings(max_examples=400, deadline=None)
@given(text=_ANSWERS)
def test_what_comes_out_is_what_went_in(text: str) -> None:
    """But for the marks of thinking, and white space before the first word."""
    pieces = scan([text])
    said = "".join(piece.raw if isinstance(piece, Call) else piece.text for piece in pieces)
    if any(isinstance(piece, Thinking) for piece in pieces) or "<|channel|>" in text or text.lstrip()[:7] == "<think>":
        assert len(said) <= len(text)
    elif any(isinstance(piece, Text) for piece in pieces):
        assert said == text
    else:
        assert said == text.lstrip() or text.lstrip().endswith(said)


@settings(max_examples=200, deadline=None)
@given(text=_ANSWERS, largest=st.integers(0, 200), cuts=st.lists(st.integers(0, 400), max_size=10))
def test_bounds_make_no_difference_between_cuts(text: str, largest: int, cuts: list[int]) -> None:
    ends = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[a:b] for a, b in itertools.pairwise(ends)]
    assert scan(pieces, largest=largest) == scan([text], largest=largest)


def test_no_opener_begins_another() -> None:
    marks = sorted(FOLLOWING)
    assert not [(a, b) for a in marks for b in marks if a != b and b.startswith(a)]
    assert BY_OPENER.keys() <= FOLLOWING.keys()
