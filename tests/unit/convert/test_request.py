from typing import Any

import pytest

from anyclaude.convert.profile import Profile
from anyclaude.convert.request import convert_request
from anyclaude.convert.validate import validate_request
from tests.support.claude_request import messages_request

HI = {"model": "claude-x", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}


def test_the_body_is_a_stream_with_usage_for_the_model_of_the_upstream() -> None:
    assert convert_request(HI, Profile(), "qwen3") == {
        "model": "qwen3",
        "messages": [{"role": "user", "content": "hi"}],
        "max_tokens": 9,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


@pytest.mark.parametrize("system", ["Be brief.", [{"type": "text", "text": "Be brief."}]])
def test_the_system_prompt_leads(system: Any) -> None:
    messages = convert_request(HI | {"system": system}, Profile(), "m")["messages"]
    assert messages == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}]


def test_an_empty_system_prompt_is_no_message() -> None:
    assert convert_request(HI | {"system": []}, Profile(), "m")["messages"] == HI["messages"]


def test_unknown_fields_are_ignored() -> None:
    extra = {"metadata": {"user_id": "x"}, "context_management": {"edits": []}, "stream": False, "speed": "fast"}
    assert convert_request(HI | extra, Profile(), "m") == convert_request(HI, Profile(), "m")


def test_constants_are_added_and_win() -> None:
    body = convert_request(HI, Profile(constants={"cache_prompt": True, "max_tokens": 4}), "m")
    assert body["cache_prompt"] is True
    assert body["max_tokens"] == 4


def test_the_thinking_switch_and_constant_template_arguments_stand_together() -> None:
    constants = {"chat_template_kwargs": {"force": 1, "enable_thinking": True}}
    body = convert_request(HI, Profile(constants=constants, thinking_switch=True), "m")
    assert body["chat_template_kwargs"] == {"force": 1, "enable_thinking": False}
    assert constants == {"chat_template_kwargs": {"force": 1, "enable_thinking": True}}


def test_a_format_beside_tools_depends_on_the_tools_that_are_sent() -> None:
    wanted = HI | {
        "output_config": {"format": {"type": "json_schema", "schema": {}}},
        "tools": [{"name": "Bash"}],
    }
    assert "response_format" not in convert_request(wanted, Profile(), "m")
    assert "response_format" in convert_request(wanted | {"tool_choice": {"type": "none"}}, Profile(), "m")


@pytest.mark.parametrize("turns", [0, 1, 5])
def test_a_request_of_claude_code_passes_and_its_prompt_begins_the_next_one(turns: int) -> None:
    now, later = messages_request(size=None, turns=turns), messages_request(size=None, turns=turns + 1)
    validate_request(now)
    body, grown = convert_request(now, Profile(), "m"), convert_request(later, Profile(), "m")
    assert body["tools"] == grown["tools"]
    assert len(body["messages"]) < len(grown["messages"])
    assert grown["messages"][: len(body["messages"])] == body["messages"]
    assert "cache_control" not in str(body)
    assert "x-anthropic-billing-header" not in str(body)


def test_only_parameters_that_the_model_takes_are_sent() -> None:
    wanted = HI | {"temperature": 1, "stop_sequences": ["x"], "tools": [{"name": "Bash"}], "thinking": {}}
    body = convert_request(wanted, Profile(parameters=frozenset({"stop"}), reasoning_details=True), "m")
    assert body.keys() == {"model", "messages", "max_tokens", "tools", "stop", "stream", "stream_options"}


def test_what_was_refused_once_is_not_sent_again() -> None:
    profile = Profile(constants={"cache_prompt": True}, refused=frozenset({"cache_prompt", "temperature"}))
    assert convert_request(HI | {"temperature": 1}, profile, "m") == convert_request(HI, Profile(), "m")
