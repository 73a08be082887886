"""What is right stays byte for byte; what is certain is mended; what is not reaches the client as it came."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@pytest.mark.parametrize("schema", [{"properties": 5}, {"properties": {"command": 5}}, {"required": 5}, {"type": []}])
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


@given(st.text("{}[]\",:\\\n a1'", max_size=40), st.integers(1, 5))
def test_anything_passes_and_cuts_change_nothing(written: str, step: int) -> None:
    assert mended(written, step) == mended(written)
