"""What is right stays byte for byte; what is certain is mended; what is not reaches the client as it came."""

import json
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from anyclaude.convert.mended_args import MendedArguments

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "command": {"type": "string"},
        "file_path": {"type": "string"},
        "timeout": {"type": "number"},
        "limit": {"type": "integer"},
        "all": {"type": "boolean"},
        "todos": {"type": "array"},
        "either": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "any": {},
    },
    "required": ["command"],
    "additionalProperties": False,
}


def mended(text: str, step: int = 0, *, whole: bool = True, schema: Any = SCHEMA) -> tuple[str, list[str]]:
    mender = MendedArguments(schema)
    width = step or max(len(text), 1)
    out = [mender.feed(text[at : at + width]) for at in range(0, len(text), width)]
    return "".join([*out, mender.end(whole=whole)]), mender.repairs


MENDED = [
    ('{"command": "ls",}', '{"command": "ls"}', ["trailing comma"]),
    ('{"command": "ls" "limit": 5}', '{"command": "ls", "limit": 5}', ["comma"]),
    ('{,"command": "ls"}', '{"command": "ls"}', ["comma"]),
    ("{'command': 'ls'}", '{"command": "ls"}', ["name of 'command'", "spelling in 'command'"]),
    ('{command: "ls"}', '{"command": "ls"}', ["name of 'command'"]),
    ('{"command": "a\nb"}', '{"command": "a\\nb"}', ["control character in a text"]),
    ('{"command": "grep \\d"}', '{"command": "grep \\\\d"}', ["escape in a text"]),
    ('{"command": "it\\\'s"}', '{"command": "it\'s"}', ["escape in a text"]),
    ('{"command": "\\u12 x"}', '{"command": "\\\\u12 x"}', ["escape in a text"]),
    ('{"command": "ls", "timeout": "50"}', '{"command": "ls", "timeout": 50}', ["string for integer in 'timeout'"]),
    ('{"command": "ls", "limit": 5.0}', '{"command": "ls", "limit": 5}', ["number for integer in 'limit'"]),
    ('{"command": "ls", "all": "true"}', '{"command": "ls", "all": true}', ["string for boolean in 'all'"]),
    ('{"command": "ls", "all": True}', '{"command": "ls", "all": true}', ["spelling in 'all'"]),
    ('{"command": 5}', '{"command": "5"}', ["integer for string in 'command'"]),
    ('{"command": "ls", "limit": null}', '{"command": "ls" }', ["null in 'limit'"]),
    ('{"limit": None, "command": "ls"}', '{ "command": "ls"}', ["null in 'limit'"]),
    ('{"command": "ls", "todos": "[1, 2]"}', '{"command": "ls", "todos": [1,2]}', ["string for array in 'todos'"]),
    ('{"command": "ls", "todos": [1, 2,]}', '{"command": "ls", "todos": [1,2]}', ["spelling in 'todos'"]),
    ('{"command": "ls", "more": {"a": [1]}}', '{"command": "ls" }', ["unknown parameter 'more'"]),
    ('{"more": "x", "command": "ls"}', '{ "command": "ls"}', ["unknown parameter 'more'"]),
    ('{"command": "x", "filePath": "a"}', '{"command": "x", "file_path": "a"}', ["name of 'file_path'"]),
    ('{"command": 1.10}', '{"command": "1.10"}', ["number for string in 'command'"]),
    (
        '{"command": 12345678901234567890123}',
        '{"command": "12345678901234567890123"}',
        ["number for string in 'command'"],
    ),
    ('{"command": "ls"', '{"command": "ls"}', ["closing brace"]),
    ('{"command": "ls", "limit": 5', '{"command": "ls", "limit": 5}', ["closing brace"]),
]


@pytest.mark.parametrize(("written", "right", "repairs"), MENDED)
def test_what_is_certain_is_mended_however_it_is_cut(written: str, right: str, repairs: list[str]) -> None:
    json.loads(right)
    for step in (0, 1, 2, 3, 5):
        assert mended(written, step) == (right, repairs)


@pytest.mark.parametrize(
    "written",
    [
        '{"command": "ls',
        '{"command": "ls", "limit": nope}',
        '{"command": }',
        '{"command": "ls", "todos": [1, 2',
        '{"command": "ls", 5: 6}',
        "[1]",
        '"text"',
        "",
        "not JSON",
        '{"command": {"a": 1}}',
        '{"command": null}',
        '{"command": "ls", "limit": "many"}',
        '{"command": "ls", "limit": 5.5}',
        '{"command": "ls"} and more',
        '{"command": "ls", "either": null, "any": null}',
        '{"command": "ls", ',  # a comma promises more than a brace
        '{"command": "echo "a: "b", "limit": 5}',  # quotes inside a text, not a member without its comma
        '{"command": "ls", "timeout": NaN}',
        '{"command": "ls", "timeout": 1e999}',
        '{"command": "ls", "timeout": "NaN"}',
        '{"command": "ls", "todos": ["\\ud800"]}',
        '{"command": "ls", "todos": [1 2]}',
    ],
)
def test_what_is_not_certain_comes_as_it_was(written: str) -> None:
    for step in (0, 1, 3):
        assert mended(written, step) == (written, [])


@pytest.mark.parametrize("written", ['{"command": "ls"', '{"command": "ls", "limit": 5', '{"command": "ls", '])
def test_an_answer_that_was_cut_does_not_look_whole(written: str) -> None:
    out, repairs = mended(written, whole=False)
    assert repairs == []
    with pytest.raises(json.JSONDecodeError):
        json.loads(out)


def test_of_an_unknown_tool_nothing_is_mended() -> None:
    assert mended('{"a": 1,}', schema=None) == ('{"a": 1,}', [])


def test_a_tool_that_takes_other_parameters_gets_them() -> None:
    open_schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    assert mended('{"b": 1, "A": "x"}', schema=open_schema) == ('{"b": 1, "A": "x"}', [])


@pytest.mark.parametrize("more", [{"patternProperties": {"^x-": {"type": "integer"}}}, {"$ref": "#/$defs/other"}])
def test_a_schema_that_names_parameters_elsewhere_is_not_closed(more: dict[str, Any]) -> None:
    written = '{"command": "ls", "x-a": 1}'
    assert mended(written, schema={**SCHEMA, **more}) == (written, [])


def test_what_is_left_out_leaves_nothing_however_much_it_is() -> None:
    many = ", ".join(f'"more{number}": {number}' for number in range(2000))
    large = f'"more": [{"1, " * 400_000}1]'
    out, _ = mended(f'{{{many}, "command": "ls", {large}, "limit": 5}}', 1000)
    assert json.loads(out) == {"command": "ls", "limit": 5}


def test_a_long_text_with_many_escapes_takes_time_by_its_length() -> None:
    """Copied once for each escape it took minutes."""
    written = json.dumps({"command": "\n" * 500_000})
    started = process_time()
    assert mended(written) == (written, [])
    assert process_time() - started < 15


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": 5},
        {"properties": {"command": 5}},
        {"required": 5},
        {"type": []},
        {"properties": {"command": {"enum": 5}}},
    ],
)
def test_odd_schemas_harm_nobody(schema: Any) -> None:
    assert mended('{"command": "ls"}', schema=schema) == ('{"command": "ls"}', [])


def test_a_long_text_goes_out_as_it_comes() -> None:
    mender = MendedArguments(SCHEMA)
    assert mender.feed('{"command": "one') == '{"command": "one'
    assert mender.feed(" two") == " two"
    assert mender.feed(' \\"three\\"') == ' \\"three\\"'


texts = st.text(st.characters(codec="utf-8"), max_size=20)
members = st.fixed_dictionaries(
    {"command": texts},
    optional={
        "timeout": st.integers() | st.floats(allow_nan=False, allow_infinity=False),
        "limit": st.integers(),
        "all": st.booleans(),
        "todos": st.lists(texts | st.integers() | st.none(), max_size=3),
        "either": texts | st.none(),
        "any": st.dictionaries(texts, texts, max_size=2) | st.none() | st.integers(),
    },
)


@given(members, st.integers(1, 9), st.sampled_from([None, 1, "\t"]), st.booleans())
def test_what_is_right_stays_byte_for_byte(value: dict[str, Any], step: int, indent: Any, ascii_only: bool) -> None:
    written = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert mended(written, step) == (written, [])


@given(members, st.integers(1, 9))
def test_pythons_spelling_is_understood(value: dict[str, Any], step: int) -> None:
    """A dictionary as Python prints it; `\\x` and `\\U` are escapes of Python's alone and may stay wrong."""
    written = str(value)
    out, _ = mended(written, step)
    if "\\x" not in written and "\\U" not in written:
        assert json.loads(out) == value


NAMES = st.sampled_from(["a", "b_c", "bC", "x-1", "zz"])
ANY = st.recursive(
    st.sampled_from(["5", "true", "null", "NaN", "[1]", "1.10", "x", 5, 5.5, 1e300, True, None]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2),
    max_leaves=4,
)
TYPE = st.sampled_from(["string", "number", "integer", "boolean", "null", "array", "object"])
PARAMETER = st.recursive(
    st.just({})
    | TYPE.map(lambda name: {"type": name})
    | ANY.map(lambda value: {"const": value})
    | st.lists(ANY, min_size=1, max_size=2).map(lambda values: {"enum": values}),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=2).map(lambda choices: {"anyOf": choices})
        | inner.map(lambda items: {"type": "array", "items": items})
    ),
    max_leaves=3,
)
SCHEMAS = st.fixed_dictionaries(
    {"properties": st.dictionaries(NAMES, PARAMETER, max_size=4)},
    optional={
        "required": st.lists(NAMES, max_size=2, unique=True),
        "additionalProperties": st.sampled_from([True, False, {"type": "string"}]),
        "patternProperties": st.just({"^x": {"type": "integer"}}),
    },
)


@given(SCHEMAS, st.dictionaries(NAMES, ANY, max_size=4), st.integers(1, 9), st.data())
def test_what_a_schema_takes_stays_and_no_cut_looks_whole(schema: Any, value: Any, step: int, choice: Any) -> None:
    """A number without a fraction may be written as an integer, which is the same number."""
    written = json.dumps(value)
    out, repairs = mended(written, step, schema=schema)
    if Draft202012Validator(schema).is_valid(value):
        assert json.loads(out) == value
        assert all("number for integer" in repair for repair in repairs)
    cut = written[: choice.draw(st.integers(0, len(written) - 1))]
    with pytest.raises(json.JSONDecodeError):
        json.loads(mended(cut, step, schema=schema, whole=False)[0])


@given(st.text("{}[]\",:\\\n a1'", max_size=40), st.integers(1, 5))
def test_anything_passes_and_cuts_change_nothing(written: str, step: int) -> None:
    assert mended(written, step) == mended(written)
