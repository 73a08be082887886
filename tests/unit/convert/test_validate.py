from typing import Any

import pytest

from anyclaude.convert.validate import validate_request
from anyclaude.errors import InvalidRequest

HI: dict[str, Any] = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}


def said(*blocks: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": list(blocks)}]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": None}, "model: Field required"),
        ({"model": ""}, "model: Input should be a string with at least 1 character"),
        ({"model": 5}, "model: Input should be a string with at least 1 character"),
        ({"messages": None}, "messages: Field required"),
        ({"messages": "hi"}, "messages: Input should be a valid list"),
        ({"messages": []}, "messages: at least one message is required"),
        ({"messages": ["hi"]}, "messages.0: Input should be an object"),
        (
            {"messages": [{"role": "tool", "content": "x"}]},
            "messages.0.role: Input should be 'user', 'assistant' or 'system'",
        ),
        ({"messages": [{"role": "user"}]}, "messages.0.content: Field required"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages.0.content: Input should be a valid string or list"),
        (said("x"), "messages.1.content.0: Input should be an object"),
        (said({}), "messages.1.content.0.type: Field required"),
        (said({"type": 5}), "messages.1.content.0.type: Input should be a valid string"),
        (said({"type": "text", "text": 5}), "messages.1.content.0.text: Input should be a valid string"),
        (said({"type": "text"}), "messages.1.content.0.text: Field required"),
        (said({"type": "hologram"}, {"type": "tool_use", "name": "x"}), "messages.1.content.1.id: Field required"),
        (said({"type": "tool_use", "id": "x"}), "messages.1.content.0.name: Field required"),
        (said({"type": "tool_result"}), "messages.1.content.0.tool_use_id: Field required"),
        (
            said({"type": "tool_result", "tool_use_id": "x", "content": 5}),
            "messages.1.content.0.content: Input should be a valid string or list",
        ),
        (
            said({"type": "tool_result", "tool_use_id": "x", "content": [{"type": "text"}]}),
            "messages.1.content.0.content.0.text: Field required",
        ),
        ({"system": 5}, "system: Input should be a valid string or list"),
        ({"system": [{"type": "text"}]}, "system.0.text: Field required"),
        ({"tools": {}}, "tools: Input should be a valid list"),
        ({"tools": [5]}, "tools.0: Input should be an object"),
        ({"tools": [{"name": "a"}, {"description": "x"}]}, "tools.1.name: Field required"),
        ({"tools": [{"name": ""}]}, "tools.0.name: Input should be a string with at least 1 character"),
        ({"tools": [{"name": "a", "description": 5}]}, "tools.0.description: Input should be a valid string"),
        ({"tools": [{"name": "a", "input_schema": []}]}, "tools.0.input_schema: Input should be an object"),
        ({"tool_choice": "auto"}, "tool_choice: Input should be an object"),
        ({"tool_choice": {"type": "all"}}, "tool_choice.type: Input should be 'auto', 'any', 'tool' or 'none'"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name: Field required"),
        ({"max_tokens": None}, "max_tokens: Field required"),
        ({"max_tokens": 0}, "max_tokens: Input should be an integer greater than 0"),
        ({"max_tokens": True}, "max_tokens: Input should be an integer greater than 0"),
        ({"max_tokens": 1.5}, "max_tokens: Input should be an integer greater than 0"),
        ({"temperature": "hot"}, "temperature: Input should be a valid number"),
        ({"temperature": True}, "temperature: Input should be a valid number"),
        ({"top_p": []}, "top_p: Input should be a valid number"),
        ({"top_k": 1.5}, "top_k: Input should be a valid integer"),
        ({"stream": "yes"}, "stream: Input should be a valid boolean"),
        ({"thinking": True}, "thinking: Input should be an object"),
        ({"output_config": "high"}, "output_config: Input should be an object"),
        ({"stop_sequences": "END"}, "stop_sequences: Input should be a valid list"),
        ({"stop_sequences": ["END", 5]}, "stop_sequences.1: Input should be a valid string"),
    ],
)
def test_a_fault_is_said_with_its_path(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        validate_request(HI | change)
    assert refused.value.message == message


@pytest.mark.parametrize("value", [None, 5, "x", [], True])
def test_what_is_no_object_is_refused(value: Any) -> None:
    with pytest.raises(InvalidRequest, match="body: Input should be an object"):
        validate_request(value)


@pytest.mark.parametrize(
    "change",
    [
        {"system": None, "tools": None, "tool_choice": None, "stop_sequences": None, "temperature": None},
        {"temperature": 1, "top_p": 0.5, "top_k": 0, "stream": False},
        {"messages": [{"role": "system", "content": "note"}]},
        {"tools": [{"type": "mcp_toolset"}, {"type": "custom", "name": "a"}]},
        {"thinking": {"type": "between_tools"}, "metadata": 5, "anything": {}},
        said({"type": "hologram", "text": 5}, {"type": "tool_result", "tool_use_id": "", "content": None}),
    ],
)
def test_what_can_be_converted_passes(change: dict[str, Any]) -> None:
    validate_request(HI | change)


def test_counting_tokens_needs_no_max_tokens() -> None:
    validate_request({"model": "m", "messages": HI["messages"]}, max_tokens_required=False)


def test_a_result_nested_in_results_costs_no_stack() -> None:
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": "x", "content": "x"}
    for _ in range(5_000):
        block = {"type": "tool_result", "tool_use_id": "x", "content": [block]}
    validate_request(HI | said(block))
