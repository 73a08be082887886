from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from mlx_worker.errors import BadRequest
from mlx_worker.generation import AnswerShape
from mlx_worker.intake import parsed
from mlx_worker.schemas import ChatRequest

HI = [{"role": "user", "content": "hi"}]


F = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def named(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name}}


def schema(value: Any, **fields: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": value, **fields}}


def parse_chat(payload: Any) -> ChatRequest:
    return parsed(ChatRequest, payload)


def chat(**fields: Any) -> dict[str, Any]:
    return {"messages": HI, **fields}


def test_unknown_fields_are_tolerated_everywhere() -> None:
    message = {"role": "user", "content": [{"type": "text", "text": "hi", "cache_control": {}}], "news": 1}
    assert parse_chat({"messages": [message], "metadata": {"x": 1}}).messages[0].content == "hi"


def test_a_list_of_text_and_a_string_are_the_same() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert parse_chat({"messages": [{"role": "user", "content": parts}]}).messages[0].content == "a\nb"


def test_templates_get_the_arguments_as_an_object() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    message = parse_chat({"messages": [{"role": "assistant", "content": None, "tool_calls": [call]}]}).messages[0]
    assert message.for_template() == {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": {"a": 1}}}],
    }


@pytest.mark.parametrize("text", ["not json", "[1]", "{", "[" * 100_000])
def test_arguments_that_are_no_object_stay_as_they_are(text: str) -> None:
    call = {"function": {"name": "f", "arguments": text}}
    message = parse_chat({"messages": [{"role": "assistant", "tool_calls": [call]}]}).messages[0]
    assert message.for_template()["tool_calls"][0]["function"]["arguments"] == text


def test_developer_is_a_system_message() -> None:
    assert parse_chat({"messages": [{"role": "developer", "content": "x"}]}).messages[0].for_template() == {
        "role": "system",
        "content": "x",
    }


def test_tools_are_kept_whole_and_in_order() -> None:
    tools = [{"type": "function", "function": {"name": name, "strict": True}} for name in "ba"]
    assert parse_chat(chat(tools=tools)).offered_tools() == tools


@pytest.mark.parametrize("fields", [{}, {"tools": []}, {"tools": [{"function": {"name": "f"}}], "tool_choice": "none"}])
def test_no_tools_are_offered(fields: dict[str, Any]) -> None:
    assert parse_chat(chat(**fields)).offered_tools() == []


def test_stops_and_limits() -> None:
    assert parse_chat(chat(stop="x", max_tokens=5)).stops() == ("x",)
    both = parse_chat(chat(stop=["x", "", "y"], max_tokens=5, max_completion_tokens=7))
    assert (both.stops(), both.limit()) == (("x", "y"), 7)
    assert parse_chat(chat()).limit() is None


def test_the_template_gets_known_switches_alone() -> None:
    given_switches = {"enable_thinking": False, "chat_template": "{{ evil }}", "tokenize": True, "thinking": [1]}
    assert parse_chat(chat(chat_template_kwargs=given_switches)).switches() == {"enable_thinking": False}


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [{"content": "hi"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages.0.content"),
        ({"temperature": 2.5}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_p": -0.1}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"n": 2}, "n"),
        ({"repetition_penalty": 0}, "repetition_penalty"),
        ({"stop": ["x"] * 65}, "stop"),
        ({"messages": [{"role": "wizard", "content": "hi"}]}, "messages.0.role"),
        ({"max_tokens": "5"}, "max_tokens"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools.0.function"),
        ({"tools": [{"type": "function", "function": {"name": "f", "parameters": []}}]}, "tools.0.function"),
        ({"tool_choice": "any"}, "tool_choice"),
        ({"tool_choice": "required"}, "the body"),
        ({"tool_choice": named("f")}, "the body"),
        ({"tool_choice": named("g"), "tools": [F]}, "the body"),
        ({"response_format": {"type": "xml"}}, "response_format"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"response_format": schema("object")}, "response_format.json_schema"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"top_logprobs": 2}, "the body"),
        ({"logit_bias": {"a": 1}}, "logit_bias"),
        ({"logit_bias": {"1": 101}}, "logit_bias"),
        ({"logit_bias": {str(token): 1 for token in range(1025)}}, "logit_bias"),
    ],
)
def test_what_cannot_be_honoured_is_refused_at_its_place(fields: dict[str, Any], place: str) -> None:
    with pytest.raises(BadRequest) as error:
        parse_chat(chat(**fields))
    assert error.value.message.startswith(place)
    assert error.value.body()["error"]["http_status"] == 400


@pytest.mark.parametrize(
    ("fields", "shape"),
    [
        ({}, AnswerShape()),
        ({"tool_choice": "auto", "tools": [F]}, AnswerShape()),
        ({"tool_choice": "none", "tools": [F]}, AnswerShape()),
        ({"tool_choice": "required", "tools": [F]}, AnswerShape(must_call=True)),
        ({"tool_choice": named("f"), "tools": [F]}, AnswerShape(must_call=True, tool="f")),
        ({"parallel_tool_calls": False, "tools": [F]}, AnswerShape(parallel=False)),
        ({"parallel_tool_calls": True}, AnswerShape()),
        ({"response_format": {"type": "text"}}, AnswerShape()),
        ({"response_format": {"type": "json_object"}}, AnswerShape(schema={})),
        ({"response_format": schema({"type": "object"}, strict=True)}, AnswerShape(schema={"type": "object"})),
        (
            {"response_format": {"type": "json_object"}, "tool_choice": "required", "tools": [F]},
            AnswerShape(must_call=True),
        ),
    ],
)
def test_what_the_answer_is_to_look_like(fields: dict[str, Any], shape: AnswerShape) -> None:
    asked = parse_chat(chat(**fields))
    asked.check_schema()
    assert asked.shape() == shape


@pytest.mark.parametrize(
    ("wanted", "strict", "words"),
    [
        ({"type": "objct"}, False, "Invalid type: objct"),
        ({"properties": []}, False, "properties must be an object"),
        ({"type": "object", "properties": {"a": {"$ref": "#/nope"}}}, False, "does not exist"),
        ({"type": "string", "minLength": 3, "maxLength": 2}, False, "Unsatisfiable"),
        ({"type": "string", "pattern": "("}, False, "unclosed group"),
        ({"type": "object", "properties": {"a": {"not": {}}}}, True, "Unimplemented"),
    ],
)
def test_a_schema_that_is_none_is_refused(wanted: dict[str, Any], strict: bool, words: str) -> None:
    with pytest.raises(BadRequest, match=words) as error:
        parse_chat(chat(response_format=schema(wanted, strict=strict))).check_schema()
    assert error.value.param == "response_format.json_schema.schema"


def test_a_schema_that_is_held_in_part_is_taken_unless_it_is_strict() -> None:
    parse_chat(chat(response_format=schema({"type": "object", "properties": {"a": {"not": {}}}}))).check_schema()


def test_log_probabilities_and_biases() -> None:
    assert parse_chat(chat()).alternatives() is None
    assert parse_chat(chat(logprobs=False)).alternatives() is None
    assert parse_chat(chat(logprobs=True)).alternatives() == 0
    assert parse_chat(chat(logprobs=True, top_logprobs=5)).alternatives() == 5
    assert parse_chat(chat(logit_bias={"5": -100, "7": 0.5})).bias() == ((5, -100.0), (7, 0.5))


def test_what_means_nothing_here_is_tolerated() -> None:
    parse_chat(chat(user="me", metadata={"a": "b"}, store=True, stream=None, stream_options={"include_usage": True}))


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["messages", "role", "content", "tools", "stop", "n", "seed"]), inner)
        ),
    )
)
def test_any_payload_is_read_or_refused(payload: Any) -> None:
    with suppress(BadRequest):
        parse_chat(payload)


def allowed_tools(mode: str, *names: str) -> dict[str, Any]:
    tools = [{"type": "function", "function": {"name": name}} for name in names]
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}


@pytest.mark.parametrize("mode", ["auto", "required"])
def test_some_of_the_tools_may_be_called(mode: str) -> None:
    tools = [{"type": "function", "function": {"name": name}} for name in "abc"]
    chat = ChatRequest.model_validate({"messages": HI, "tools": tools, "tool_choice": allowed_tools(mode, "a", "c")})
    assert [tool["function"]["name"] for tool in chat.offered_tools()] == ["a", "b", "c"]
    assert chat.shape() == AnswerShape(must_call=mode == "required", allowed=("a", "c"))


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        (allowed_tools("auto", "a", "x"), "tool_choice names 'x', which is not among the tools"),
        (allowed_tools("auto"), "at least 1 item"),
        (allowed_tools("none", "a"), "'auto' or 'required'"),
        ({"type": "allowed_tools"}, "Field required"),
        ({"type": "custom", "custom": {"name": "a"}}, "does not match any of the expected tags"),
    ],
)
def test_a_choice_of_tools_that_makes_no_sense(choice: dict[str, Any], words: str) -> None:
    tools = [{"type": "function", "function": {"name": "a"}}]
    with pytest.raises(ValidationError, match=words):
        ChatRequest.model_validate({"messages": HI, "tools": tools, "tool_choice": choice})


def test_a_deferred_tool_may_be_called_and_is_not_shown() -> None:
    named = [{"type": "function", "function": {"name": name}} for name in ("a", "b")]
    request = parse_chat(chat(tools=[{**named[0], "defer_loading": False}, {**named[1], "defer_loading": True}]))
    assert request.offered_tools() == named
    assert request.conversation().tools == named[:1]
