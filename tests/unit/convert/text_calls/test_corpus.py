"""Every answer of the corpus, whole and in pieces of every kind."""

import itertools
import random
from pathlib import Path

import pytest

from anyclaude.convert.text_calls import Call, Text
from anyclaude.convert.text_calls.formats import BY_OPENER, WHOLE
from tests.support.call_corpus import Example, examples, plain, scan, scores, sources, table

EXAMPLES = examples()
DOCS = Path(__file__).parents[4] / "docs" / "reference" / "tool-calls.md"
OF_FAMILY = {family: [one for one in EXAMPLES if one.family == family] for family in sources()}


def cut_at_random(example: Example) -> list[str]:
    chance = random.Random(example.text)
    cuts = sorted(chance.randint(0, len(example.text)) for _ in range(chance.randint(1, 12)))
    ends = [0, *cuts, len(example.text)]
    return [example.text[a:b] for a, b in itertools.pairwise(ends)]


@pytest.mark.parametrize("family", OF_FAMILY)
def test_the_pieces_are_those_of_the_corpus(family: str) -> None:
    for example in OF_FAMILY[family]:
        assert plain(scan([example.text], example.opened)) == example.pieces, example.name


@pytest.mark.parametrize("family", OF_FAMILY)
def test_cuts_make_no_difference(family: str) -> None:
    for example in OF_FAMILY[family]:
        whole = scan([example.text], example.opened)
        assert scan(list(example.text), example.opened) == whole, example.name
        assert scan(cut_at_random(example), example.opened) == whole, example.name


@pytest.mark.parametrize("family", OF_FAMILY)
def test_a_call_tells_its_family_and_its_text(family: str) -> None:
    for example in [one for one in OF_FAMILY[family] if one.calls]:
        calls = [piece for piece in scan([example.text], example.opened) if isinstance(piece, Call)]
        assert example.text.endswith("".join(call.raw for call in calls)), example.name
        assert family == "general" or {call.family for call in calls} == {family}, example.name


@pytest.mark.parametrize("family", OF_FAMILY)
def test_without_the_tools_it_is_text(family: str) -> None:
    for example in [one for one in OF_FAMILY[family] if one.calls]:
        pieces = scan([example.text], example.opened, tools={"Other": {}})
        assert not any(isinstance(piece, Call) for piece in pieces), example.name
        if all(isinstance(piece, Text) for piece in pieces) and "harmony" not in example.name:
            assert plain(pieces) == (Text(example.text),), example.name


def test_the_corpus_is_large_enough() -> None:
    assert len(EXAMPLES) >= 300
    assert sum(not example.calls for example in EXAMPLES) >= 120
    assert len({str(example) for example in EXAMPLES}) == len(EXAMPLES)


def test_each_family_says_where_it_is_documented() -> None:
    assert all(sources().values())
    assert all(one.source for one in (*BY_OPENER.values(), *WHOLE.values()))


def test_no_call_is_wrong_and_none_is_missed() -> None:
    assert {family for family, score in scores().items() if score.precision < 1 or score.recall < 1} == set()


def test_the_documentation_has_the_table() -> None:
    assert table() in DOCS.read_text()
