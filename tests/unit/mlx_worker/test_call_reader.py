"""Calls read while they are written, whatever pieces they come in."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mlx_worker.call_formats import GLM, MINIMAX, QWEN_CODER
from mlx_worker.call_reader import CallReader, headed_json, json_array, tagged_json
from mlx_worker.call_tags import as_json, tagged_values, types_of
from mlx_worker.events import ToolArguments, ToolCallBegun

END = "</tool_call>"
SCHEMAS = {
    "write": {
        "properties": {
            "path": {"type": "string"},
            "lines": {"type": "integer"},
            "tags": {"type": "array"},
            "mode": {"enum": ["a", "b"]},
            "maybe": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        }
    }
}


def tagged() -> CallReader:
    return CallReader(partial(tagged_json, end=END))


def coder() -> CallReader:
    return CallReader(partial(tagged_values, tags=QWEN_CODER, end=END, schemas=SCHEMAS))


def read(reader: CallReader, pieces: Sequence[str]) -> list[tuple[str, str]]:
    """(name, arguments) of each call."""
    calls: list[tuple[str, str]] = []
    for text in pieces:
        for piece in reader.feed(text):
            if isinstance(piece, ToolCallBegun):
                calls.append((piece.name, ""))
            else:
                calls[-1] = (calls[-1][0], calls[-1][1] + piece.json)
    return calls


def test_the_name_comes_first_then_arguments_as_they_are_written() -> None:
    reader = tagged()
    assert reader.feed('\n{"na') == []
    assert reader.feed('me": "Read", ') == [ToolCallBegun("Read")]
    assert reader.cut
    assert reader.feed('"arguments": {"a"') == [ToolArguments('{"a"')]
    assert reader.feed(': "}{\\"') == [ToolArguments(': "}{\\"')]
    assert reader.feed('", "b": [1, {}]}') == [ToolArguments('", "b": [1, {}]}')]
    assert (reader.cut, reader.over) == (False, False)
    assert reader.feed("}\n</tool_call> and") == []
    assert (reader.over, reader.rest, reader.calls) == (True, " and", 1)


def test_a_closing_marker_inside_an_argument_does_not_end_a_call() -> None:
    reader = tagged()
    calls = read(reader, ['{"name": "f", "arguments": {"a": "</tool_call>"}}', END])
    assert calls == [("f", '{"a": "</tool_call>"}')]
    assert reader.over


def test_until_there_is_a_name_all_that_came_is_known() -> None:
    reader = tagged()
    reader.feed('{"name": ')
    assert reader.unnamed == '{"name": '
    reader.feed('"f"')
    assert reader.unnamed == ""


def test_an_array_of_calls() -> None:
    text = '[{"name": "f", "arguments": {}}, {"name": "g\\"", "arguments": {"a": [2]}}]'
    reader = CallReader(json_array)
    assert read(reader, text) == [("f", "{}"), ('g"', '{"a": [2]}')]
    assert (reader.over, reader.cut) == (False, False)


def test_calls_with_a_header() -> None:
    reader = CallReader(partial(headed_json, start="[TOOL_CALLS]", header_end="[ARGS]"))
    assert read(reader, 'f[ARGS]{"a": 1}[TOOL_CALLS] g[ARGS]{}') == [("f", '{"a": 1}'), ("g", "{}")]
    assert not reader.cut


def test_values_between_tags_become_json() -> None:
    text = (
        '\n<function=write>\n<parameter=path>\n/tmp/a "b"\n\n</parameter>\n<parameter=lines>\n3\n</parameter>\n'
        '<parameter=tags>\n[1, "x"]\n</parameter>\n<parameter=mode>a</parameter>\n'
        "<parameter=maybe>\nnull\n</parameter>\n</function>\n</tool_call>!"
    )
    reader = coder()
    ((name, arguments),) = read(reader, [text])
    expected = {"path": '/tmp/a "b"\n', "lines": 3, "tags": [1, "x"], "mode": "a", "maybe": None}
    assert (name, json.loads(arguments)) == ("write", expected)
    assert (reader.over, reader.rest) == (True, "!")


def test_a_text_between_tags_comes_as_it_grows() -> None:
    reader = coder()
    reader.feed("<function=write><parameter=path>\n")
    assert reader.feed("one\ntwo") == [ToolArguments("one\\ntwo")]
    assert reader.feed("\n</para") == []
    assert reader.feed("digm>\n") == [ToolArguments("\\n</paradigm>")]
    assert reader.feed("</parameter>") == [ToolArguments('"')]


def test_pairs_of_keys_and_values() -> None:
    reader = CallReader(partial(tagged_values, tags=GLM, end=END, schemas=SCHEMAS))
    text = (
        "write\n<arg_key>path</arg_key>\n<arg_value>\na\n</arg_value>\n"
        "<arg_key>lines</arg_key><arg_value>3</arg_value></tool_call>"
    )
    ((name, arguments),) = read(reader, list(text))
    assert (name, json.loads(arguments)) == ("write", {"path": "\na\n", "lines": 3})
    assert reader.over
    assert read(CallReader(partial(tagged_values, tags=GLM, end=END, schemas={})), ["f</tool", "_call>"]) == [
        ("f", "{}")
    ]


def test_a_call_without_arguments() -> None:
    reader = CallReader(partial(tagged_values, tags=MINIMAX, end=END, schemas={}))
    assert read(reader, ['<invoke name="f">\n</invoke>', END]) == [("f", "{}")]


@pytest.mark.parametrize(
    ("value", "schema", "expected"),
    [
        ("True", {"type": "boolean"}, "true"),
        ("None", {"type": ["string", "null"]}, "null"),
        ("12", {"type": ["string", "null"]}, '"12"'),
        ("12", {"type": "number"}, "12"),
        ("12", {}, "12"),
        ("hello", {}, '"hello"'),
        ('{"a": 1}', {"anyOf": [{"type": "object"}, {"type": "string"}]}, '{"a": 1}'),
        ("\n[]\n", None, "[]"),
    ],
)
def test_a_value_that_is_no_plain_text(value: str, schema: Any, expected: str) -> None:
    assert as_json(value, schema) == expected


@pytest.mark.parametrize(
    ("schema", "types"),
    [
        ({"type": "string"}, {"string"}),
        (
            {"enum": ["a", 1, 1.5, None, True, {}, []]},
            {"string", "integer", "number", "null", "boolean", "object", "array"},
        ),
        ({"const": "x"}, {"string"}),
        ({"oneOf": [{"type": "string"}, {"$ref": "#"}]}, set()),
        (True, set()),
    ],
)
def test_the_types_that_a_schema_names(schema: Any, types: set[str]) -> None:
    assert types_of(schema) == types


def cut(text: str, places: list[int]) -> list[str]:
    borders = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    return [text[start:end] for start, end in pairwise(borders)]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.text(min_size=1),
    st.dictionaries(st.text(), json_values, max_size=4),
    st.lists(st.integers(0, 10**6), max_size=12),
)
def test_json_comes_out_as_it_was_written_wherever_it_is_cut(
    name: str, arguments: dict[str, Any], places: list[int]
) -> None:
    written = json.dumps(arguments)
    text = f'{{"name": {json.dumps(name)}, "arguments": {written}}}{END}after'
    reader = tagged()
    assert read(reader, cut(text, places)) == [(name, written)]
    assert (reader.over, reader.cut, reader.rest) == (True, False, "after")


@given(st.text('ab<>/\n"\\é☃ parmet=', max_size=40), st.integers(), st.lists(st.integers(0, 10**6), max_size=12))
@pytest.mark.parametrize("make", [coder])
def test_a_text_between_tags_is_kept_wherever_it_is_cut(
    make: Callable[[], CallReader], value: str, lines: int, places: list[int]
) -> None:
    assume("</parameter>" not in value)
    text = (
        f"\n<function=write>\n<parameter=path>\n{value}\n</parameter>\n"
        f"<parameter=lines>\n{lines}\n</parameter>\n</function>\n{END}"
    )
    ((_, arguments),) = read(make(), cut(text, places))
    assert json.loads(arguments) == {"path": value, "lines": lines}
