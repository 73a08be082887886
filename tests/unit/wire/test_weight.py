"""What a JSON text takes once it is decoded: told from the text alone, and never for what is in its strings."""

import json
import tracemalloc

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyclaude.wire.weight import LIST, OBJECT, VALUE, weighs_more

CODE = 'if (a[0]) { b = ["x", "y\\\\"]; }\n' * 1000


def weighs(text: bytes, weight: int) -> bool:
    """Neither more nor less."""
    return weighs_more(text, weight - 1) and not weighs_more(text, weight)


def test_the_parts_of_a_text() -> None:
    assert weighs(b'{"a": [1, 2], "b": "x"}', OBJECT + LIST + 2 * VALUE)


def test_what_stands_in_strings_weighs_nothing() -> None:
    assert weighs(json.dumps({"text": CODE}).encode(), OBJECT)


def test_strings_over_the_borders_of_slices() -> None:
    long = "\\" * 1024 * 1024 + '"' + "{[,]}" * 300_000 + "\\"
    assert weighs(json.dumps([long, "a", long]).encode(), LIST + 2 * VALUE)


values = st.recursive(
    st.none() | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@given(values)
def test_a_text_weighs_what_its_values_do(value: object) -> None:
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False)):
        assert weighs(text.encode(errors="replace"), weight(value))


def weight(value: object) -> int:
    if isinstance(value, dict):
        return OBJECT + VALUE * max(len(value) - 1, 0) + sum(map(weight, value.values()))
    if isinstance(value, list):
        return LIST + VALUE * max(len(value) - 1, 0) + sum(map(weight, value))
    return 0


@pytest.mark.parametrize(
    "unit", ["[]", "{}", '{"a":1}', '"ab"', '"é"', "1.5", "999", "[[1]]", '{"a":{}}', '{"a":1,"b":2}']
)
def test_a_weight_is_near_what_it_takes(unit: str) -> None:
    text = ("[" + ",".join([unit] * 20_000) + "]").encode()
    tracemalloc.start()
    value = orjson.loads(text)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(value) == 20_000
    assert weighs_more(text, taken // 2)
    assert not weighs_more(text, 4 * taken)
