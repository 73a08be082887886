"""One sequence held to its grammar, on a vocabulary of bytes and markers, without a model."""

import json
import logging
from itertools import pairwise
from random import Random
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlx_worker.call_formats import FORMATS
from mlx_worker.constraint import Constraint, Watch
from mlx_worker.events import ToolArguments, ToolCallBegun
from mlx_worker.generation import AnswerShape
from mlx_worker.grammars import ANY_OBJECT, Grammars, arguments_schema, structure_of
from tests.support.byte_words import END, allowed, byte_words, special, walk

MARKERS = {
    "call_start": "<tool_call>",
    "call_end": "</tool_call>",
    "think_start": "<think>",
    "think_end": "</think>",
}
CITY = {
    "type": "object",
    "properties": {"city": {"enum": ["Paris", "Köln"]}, "days": {"type": "integer", "minimum": 1, "maximum": 14}},
    "required": ["city"],
    "additionalProperties": False,
}
WORDS = byte_words()
FREE = AnswerShape()
JOINED = next(token for token in range(WORDS.vocab_size) if WORDS.decode_bytes([token]) == b"call>{")


def tool(name: str, parameters: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


TOOLS = [tool("weather", CITY), tool("now", {"type": "object", "properties": {}, "additionalProperties": False})]


def grammars(name: str | None = "json_tools", **markers: str) -> Grammars:
    return Grammars(WORDS, FORMATS[name] if name else None, **(MARKERS | markers))


def constraint(
    shape: AnswerShape = FREE, tools: Any = TOOLS, made: Grammars | None = None, **start: bool
) -> Constraint:
    made = made or grammars()
    grammar = made.get(tools, shape)
    assert grammar is not None
    return Constraint(grammar, made.words, **start)


def say(held: Constraint, text: str) -> None:
    """Byte by byte; every byte must be allowed."""
    for byte in text.encode():
        may = allowed(held)
        assert may is None or byte in may, f"{chr(byte)!r} of {text!r} is not allowed"
        held.advance(byte)


def write(held: Constraint, token: int) -> None:
    may = allowed(held)
    assert may is None or token in may
    held.advance(token)


# -- where it holds ---------------------------------------------------------------------------------------------------


def test_text_is_free_until_a_call_opens() -> None:
    held = constraint()
    say(held, "Let me see. <tool")
    assert allowed(held) is None
    assert (held.held, allowed(held)) == (False, None)
    write(held, special("<tool_call>"))
    assert held.held
    assert END not in (allowed(held) or ())
    say(held, '\n{"name": "weather", "arguments": {"city": "Paris", "days": 3}}\n')
    assert allowed(held) == [special("</tool_call>")]
    write(held, special("</tool_call>"))
    assert held.held
    assert allowed(held) is None
    say(held, "More.")
    assert (held.held, allowed(held)) == (False, None)


def test_a_marker_may_be_written_letter_by_letter_and_end_inside_a_token() -> None:
    held = constraint()
    say(held, "<tool_")
    write(held, JOINED)
    assert held.held
    say(held, '"name": "now", "arguments": {}}')


def test_what_is_no_call_after_a_marker_goes_on_freely() -> None:
    held = constraint(tools=[tool("f", CITY)], made=grammars("mistral", call_start="<tool_", call_end=""))
    say(held, "<tool")
    write(held, ord("_"))
    assert held.held
    other = constraint(made=grammars(call_start="<c", call_end="!"))
    say(other, "<")
    write(other, JOINED)
    assert (other.held, allowed(other)) == (False, None)


def test_only_one_call_where_calls_are_not_parallel() -> None:
    held = constraint(AnswerShape(parallel=False))
    write(held, special("<tool_call>"))
    say(held, '{"name": "now", "arguments": {}}')
    write(held, special("</tool_call>"))
    assert allowed(held) == [END]


def test_a_forced_call_comes_at_once_or_after_thinking() -> None:
    shape = AnswerShape(must_call=True, tool="now", parallel=False)
    assert special("<think>") not in (allowed(constraint(shape)) or ())
    held = constraint(shape, may_think=True)
    assert {special("<tool_call>"), special("<think>"), ord("\n")} <= set(allowed(held) or ())
    write(held, special("<think>"))
    say(held, "Hm")
    assert END not in (allowed(held) or [END])
    write(held, special("</think>"))
    say(held, "\n\n")
    assert allowed(held) == [special("<tool_call>")]
    inside = constraint(shape, thinking=True)
    write(inside, special("<tool_call>"))
    say(inside, '{"name": "now", "arguments": {}}')
    write(inside, special("</tool_call>"))
    assert allowed(inside) == [END]


def test_forced_calls_may_be_several() -> None:
    held = constraint(AnswerShape(must_call=True))
    for _ in range(2):
        write(held, special("<tool_call>"))
        say(held, '{"name": "now", "arguments": {}}')
        write(held, special("</tool_call>"))
        assert {END, special("<tool_call>")} <= set(allowed(held) or ())


def test_another_tool_than_the_named_one_cannot_be_written() -> None:
    held = constraint(AnswerShape(must_call=True, tool="now"))
    write(held, special("<tool_call>"))
    say(held, '{"name": "')
    assert ord("w") not in (allowed(held) or ())


@pytest.mark.parametrize("must_call", [True, False])
def test_only_allowed_tools_can_be_written(must_call: bool) -> None:
    offered = [tool(name, CITY) for name in ("first", "second", "third")]
    held = constraint(AnswerShape(must_call=must_call, allowed=("second", "third")), tools=offered)
    assert (allowed(held) is None) is not must_call
    write(held, special("<tool_call>"))
    say(held, '{"name": "')
    assert {ord("f"), ord("s"), ord("t")} & set(allowed(held) or ()) == {ord("s"), ord("t")}


def test_a_named_tool_is_held_beside_schemas_that_are_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlx_worker.grammars.LARGEST_SUM", 10)
    held = constraint(AnswerShape(must_call=True, tool="now"), made=grammars())
    write(held, special("<tool_call>"))
    say(held, '{"name": "')
    assert ord("w") not in (allowed(held) or ())


def test_an_answer_of_a_schema_has_its_white_space_bounded() -> None:
    held = constraint(AnswerShape(schema=CITY), tools=())
    say(held, '{\n  "city": "Paris"\n}')
    assert allowed(held) == [END]
    other = constraint(AnswerShape(schema=CITY), tools=())
    say(other, "{\n" + " " * 24)
    assert ord(" ") not in (allowed(other) or ())


def test_a_grammar_that_gives_up_ends_the_answer(caplog: pytest.LogCaptureFixture) -> None:
    held = constraint(AnswerShape(must_call=True))
    with caplog.at_level(logging.WARNING, "mlx_worker"):
        held.advance(ord("x"))  # what no mask would have let through
    assert allowed(held) == [END]
    assert "the answer ends here" in caplog.text


def test_nothing_asked_is_nothing_held() -> None:
    assert grammars().get((), AnswerShape()) is None
    assert grammars(None).get(TOOLS, AnswerShape()) is None


def test_a_format_without_a_grammar_still_holds_a_schema_and_says_what_it_cannot(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = grammars(None)
    assert made.live_call(TOOLS) is None
    assert made.get(TOOLS, AnswerShape(schema=CITY)) is not None
    assert made.get(TOOLS, AnswerShape(must_call=True)) is None
    assert "cannot be forced" in caplog.text


def test_the_same_tools_are_compiled_once() -> None:
    made = grammars()
    first = made.get(TOOLS, AnswerShape())
    assert made.get([dict(one) for one in TOOLS], AnswerShape()) is first
    assert made.get(TOOLS, AnswerShape(parallel=False)) is not first


# -- schemas ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"type": "string", "pattern": "(?=x)y"}}, "required": ["a"]},
        {"type": "object", "properties": {"a": {"type": "nonsense"}}},
        {"$ref": "https://example.invalid/schema"},
        {"allOf": [{"anyOf": [{"properties": {f"k{i}": {"const": j}}} for j in range(4)]} for i in range(9)]},
        {"type": "object", "description": "x" * 70_000},
        {"type": "object", "required": ["missing"], "additionalProperties": False},
        {"type": "array"},
        None,
        7,
    ],
    ids=["lookahead", "type", "reference", "product", "size", "impossible", "array", "none", "number"],
)
def test_a_schema_that_cannot_be_held_is_loosened(schema: Any) -> None:
    held = constraint(AnswerShape(must_call=True, parallel=False), tools=[tool("f", schema)])
    text = b"".join(piece for _, piece, _ in walk(held, Random(3))).decode()
    call = json.loads(text.strip().removeprefix("<tool_call>").removesuffix("</tool_call>"))
    assert isinstance(call["arguments"], dict)


def test_what_is_loosened_keeps_its_structure() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string", "pattern": "(?=x)y"}, "b": {"anyOf": [{"type": "null", "x": 1}]}},
        "required": ["a"],
        "additionalProperties": {"type": "integer", "minimum": 1},
    }
    assert structure_of(schema) == {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"anyOf": [{"type": "null"}]}},
        "required": ["a"],
        "additionalProperties": {"type": "integer"},
    }
    assert grammars().fitted(schema, "f") == structure_of(schema)


def test_arguments_are_always_an_object() -> None:
    assert arguments_schema({"properties": {}}) == {"type": "object", "properties": {}}
    assert arguments_schema({"type": "string"}) == ANY_OBJECT
    assert arguments_schema({"$ref": "#/$defs/a"}) == {"type": "object", "$ref": "#/$defs/a"}


def test_many_tools_and_wide_schemas_are_held() -> None:
    wide = {
        "type": "object",
        "properties": {f"a{i}": {"type": "null"} for i in range(500)},
        "additionalProperties": False,
    }
    held = constraint(
        AnswerShape(must_call=True), tools=[tool(f"mcp__{i}", CITY) for i in range(400)] + [tool("w", wide)]
    )
    write(held, special("<tool_call>"))
    say(held, '{"name": "w", "arguments": {"a7": null, "a499": null}}')


def test_tools_too_large_to_be_held_still_call_by_name(caplog: pytest.LogCaptureFixture) -> None:
    tools = [tool(f"f{i}", {"type": "object", "description": "x" * 60_000}) for i in range(20)]
    held = constraint(AnswerShape(must_call=True), tools=tools)
    assert "too large" in caplog.text
    write(held, special("<tool_call>"))
    say(held, '{"name": "f19", "arguments": {"a": [1]}}')


def test_a_schema_nested_too_deep_is_not_held() -> None:
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(5000):
        schema = {"type": "object", "properties": {"a": schema}}
    assert grammars().get([tool("f", schema)], AnswerShape()) is None


# -- whatever is written ----------------------------------------------------------------------------------------------

names = st.text('abcü "\\-☃', min_size=1, max_size=6)
leaves = st.one_of(
    st.builds(
        lambda values: {"enum": values},
        st.lists(st.integers() | st.text(max_size=3) | st.none(), min_size=1, max_size=3),
    ),
    st.builds(
        lambda low, span: {"type": "integer", "minimum": low, "maximum": low + span},
        st.integers(-99, 99),
        st.integers(0, 300),
    ),
    st.sampled_from(({"type": "boolean"}, {"type": "null"}, {"type": "string", "maxLength": 6}, {"const": "é"})),
)


def objects(values: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    members = st.dictionaries(names, values, max_size=3)
    return st.builds(
        lambda properties, needed: {
            "type": "object",
            "properties": properties,
            "required": list(properties)[:needed],
            "additionalProperties": False,
        },
        members,
        st.integers(0, 3),
    )


lists = st.builds(lambda items, most: {"type": "array", "items": items, "maxItems": most}, leaves, st.integers(0, 3))
schemas = objects(
    st.one_of(leaves, lists, objects(leaves), st.builds(lambda one, two: {"anyOf": [one, two]}, leaves, lists))
)


@settings(max_examples=60, deadline=None)
@given(schemas, names, st.integers(0, 2**32), st.sampled_from(["json_tools", "mistral"]))
def test_whatever_a_model_writes_a_forced_call_is_valid(
    schema: dict[str, Any], name: str, seed: int, call_format: str
) -> None:
    made = grammars(call_format, **({"call_start": "[TOOL_CALLS]", "call_end": ""} if call_format == "mistral" else {}))
    tools = [tool(name, schema)]
    held = constraint(AnswerShape(must_call=True, parallel=False), tools, made)
    reader, pieces, opened = made.live_call(tools), [], False
    assert reader is not None
    text = b""
    for token, piece, inside in walk(held, Random(seed)):
        assert inside
        text += piece if opened else b""
        opened = opened or token in (special("<tool_call>"), special("[TOOL_CALLS]"))
    pieces = reader.feed(text.decode())
    begun, *rest = pieces
    assert begun == ToolCallBegun(name.strip() if call_format == "mistral" else name)
    arguments = "".join(piece.json for piece in rest if isinstance(piece, ToolArguments))
    jsonschema.validate(json.loads(arguments), schema)
    assert not reader.cut


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(["qwen3_coder", "minimax_m2", "glm47"]))
def test_what_is_written_between_tags_is_valid_but_for_what_a_text_may_hold(seed: int, call_format: str) -> None:
    schema = {
        "type": "object",
        "properties": {
            "mode": {"enum": ["read", " write", 3, None]},
            "list": {"type": "array", "items": {"$ref": "#/$defs/one"}, "maxItems": 2},
            "flag": {"type": "boolean"},
            "fixed": {"const": "x"},
        },
        "$defs": {"one": {"type": "integer", "minimum": 0, "maximum": 20}},
        "required": ["mode", "flag"],
        "additionalProperties": False,
    }
    made, tools = grammars(call_format), [tool("f", schema)]
    held = constraint(AnswerShape(must_call=True, parallel=False), tools, made)
    text = b"".join(piece for _, piece, _ in walk(held, Random(seed))).decode()
    reader = made.live_call(tools)
    assert reader is not None
    begun, *rest = reader.feed(text.strip().removeprefix("<tool_call>"))
    assert (begun, reader.over) == (ToolCallBegun("f"), True)
    jsonschema.validate(json.loads("".join(one.json for one in rest if isinstance(one, ToolArguments))), schema)


@given(st.binary(max_size=30), st.lists(st.integers(0, 30), max_size=6))
def test_a_watch_finds_the_first_marker_wherever_text_is_cut(text: bytes, cuts: list[int]) -> None:
    whole = text + b"<tool_call>after"
    places = [0, *sorted(cuts), len(whole)]
    watch = Watch({"call": b"<tool_call>", "think_end": b"</think>"})
    found = None
    for start, end in pairwise(places):
        if found := watch.feed(whole[start:end]):
            break
    assert found is not None
    assert found[0] == "call"
    assert b"after".startswith(found[1])
