"""Whether arguments fit: against the jsonschema package as the judge; and what unquoted values mean."""

from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anyclaude.convert.text_calls.schema import fits, meant, read_json

_KINDS = ("string", "number", "integer", "boolean", "null", "object", "array")
_SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from([0.5, 2.0]), st.sampled_from(["", "a", "abc"])
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
_BOUNDS = {
    "minimum": st.integers(-2, 2),
    "exclusiveMaximum": st.integers(-2, 2),
    "minLength": st.integers(0, 2),
    "maxLength": st.integers(0, 2),
    "minItems": st.integers(0, 2),
    "maxItems": st.integers(0, 2),
}
_SCHEMAS = st.recursive(
    st.one_of(
        st.sampled_from(_KINDS).map(lambda kind: {"type": kind}),
        st.lists(st.sampled_from(_KINDS), min_size=1, max_size=3, unique=True).map(lambda kinds: {"type": kinds}),
        st.lists(_SCALARS, min_size=1, max_size=3).map(lambda values: {"enum": values}),
        _SCALARS.map(lambda value: {"const": value}),
        st.fixed_dictionaries({}, optional=_BOUNDS),
        st.just({"$ref": "#/$defs/text"}),
    ),
    lambda inner: st.one_of(
        st.fixed_dictionaries(
            {"type": st.just("object"), "properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=3)},
            optional={
                "required": st.lists(st.sampled_from("abc"), max_size=2, unique=True),
                "additionalProperties": st.one_of(st.booleans(), inner),
            },
        ),
        st.fixed_dictionaries({"items": inner}, optional={"prefixItems": st.lists(inner, min_size=1, max_size=2)}),
        st.lists(inner, min_size=1, max_size=3).map(lambda some: {"anyOf": some}),
        st.lists(inner, min_size=1, max_size=2).map(lambda every: {"allOf": every}),
    ),
    max_leaves=5,
)


@settings(max_examples=500, deadline=None)
@given(schema=_SCHEMAS, value=_VALUES)
def test_it_judges_as_jsonschema_does(schema: dict[str, Any], value: Any) -> None:
    whole = {**schema, "$defs": {"text": {"type": "string"}}}
    assert fits(value, whole) == jsonschema.Draft202012Validator(whole).is_valid(value)


@pytest.mark.parametrize(
    "schema",
    [True, {}, {"type": 7}, {"enum": "x"}, {"anyOf": []}, {"$ref": "http://other"}, {"not": {}}, {"$ref": "#/no"}, 3],
)
def test_what_it_does_not_know_it_lets_pass(schema: Any) -> None:
    assert fits({"a": 1}, schema)


def test_a_schema_that_points_to_itself_comes_to_an_end() -> None:
    assert fits({"a": 1}, {"$ref": "#"})
    node = {"type": "object", "properties": {"next": {"$ref": "#"}}, "additionalProperties": False}
    assert fits({"next": {"next": {}}}, node)
    assert not fits({"next": {"next": {"last": 1}}}, node)


def test_nothing_fits_false() -> None:
    assert not fits({}, False)
    assert not fits({"a": 1}, {"properties": {"a": False}})


@pytest.mark.parametrize(
    ("text", "schema", "value"),
    [
        ("5", {"type": "string"}, "5"),
        ("5", {}, "5"),
        ("5", None, "5"),
        ("5", {"type": "integer"}, 5),
        (" 5\n", {"type": "number"}, 5),
        ("5.5", {"type": "integer"}, "5.5"),
        ("soon", {"type": "number"}, "soon"),
        ("True", {"type": "boolean"}, True),
        ("false", {"type": "boolean"}, False),
        ("None", {"type": "null"}, None),
        ("null", {"type": ["string", "null"]}, None),
        ("nothing", {"type": ["string", "null"]}, "nothing"),
        ("7", {"anyOf": [{"type": "string"}, {"type": "number"}]}, "7"),
        ('["a"]', {"type": "array"}, ["a"]),
        ('["a"]', {"type": ["string", "array"]}, ["a"]),
        ('{"a": 1}', {"$ref": "#/$defs/o"}, {"a": 1}),
        ("[a]", {"type": ["string", "array"]}, "[a]"),
        ("2", {"enum": [1, 2]}, 2),
        ("read", {"enum": ["read", "write"]}, "read"),
    ],
)
def test_an_unquoted_value_is_what_the_schema_asks_for(text: str, schema: Any, value: Any) -> None:
    assert meant(text, schema, {"$defs": {"o": {"type": "object"}}}) == value


@pytest.mark.parametrize("text", ["NaN", "1e999", "{", "'a'", "[" * 100_000])
def test_what_is_not_json_is_nothing(text: str) -> None:
    assert read_json(text) is ...
