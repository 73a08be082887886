from typing import Any

import pytest

from anyclaude.convert.options import format_fields, nearest_effort, sampling_fields, thinking_fields
from anyclaude.convert.profile import Profile

SCHEMA = {"type": "object", "properties": {"title": {"type": "string"}}}
TITLE = {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}
ADAPTIVE = {"type": "adaptive"}


def test_sampling_keeps_its_names_but_for_stop() -> None:
    request = {"max_tokens": 9, "temperature": 0, "top_p": 0.5, "stop_sequences": ["</block>"], "top_k": 3}
    assert sampling_fields(request, Profile()) == {
        "max_tokens": 9,
        "temperature": 0,
        "top_p": 0.5,
        "stop": ["</block>"],
    }
    assert sampling_fields(request, Profile(top_k=True))["top_k"] == 3


def test_what_is_absent_is_not_sent() -> None:
    assert sampling_fields({"temperature": None, "stop_sequences": []}, Profile()) == {}


@pytest.mark.parametrize(
    ("thinking", "on"),
    [
        (None, False),
        ({"type": "disabled"}, False),
        (ADAPTIVE, True),
        ({"type": "enabled", "budget_tokens": 31999}, True),
        ({"type": "between_tools"}, True),
    ],
)
def test_the_thinking_switch_says_what_the_request_says(thinking: Any, on: bool) -> None:
    fields = thinking_fields({"thinking": thinking}, Profile(thinking_switch=True))
    assert fields == {"chat_template_kwargs": {"enable_thinking": on}}
    assert thinking_fields({"thinking": thinking}, Profile()) == {}


@pytest.mark.parametrize(
    ("wanted", "efforts", "sent"),
    [
        ("high", ("low", "medium", "high"), "high"),
        ("max", ("low", "medium", "high"), "high"),
        ("high", ("low", "medium", "xhigh"), "medium"),
        ("low", ("minimal", "high"), "minimal"),
        ("high", ("odd",), None),
        ("odd", ("odd",), "odd"),
        ("unheard", ("low",), None),
        ("high", (), None),
        (None, ("low",), None),
        ([], ("low",), None),
    ],
)
def test_an_effort_becomes_the_nearest_one_taken(wanted: Any, efforts: tuple[str, ...], sent: str | None) -> None:
    assert nearest_effort(wanted, efforts) == sent
    request = {"thinking": ADAPTIVE, "output_config": {"effort": wanted}}
    assert thinking_fields(request, Profile(efforts=efforts)).get("reasoning_effort") == sent


@pytest.mark.parametrize(
    ("wanted", "efforts", "sent"),
    [
        ("high", ("none", "low", "high"), "none"),
        ("high", ("low", "medium", "high"), "high"),
        (None, ("low", "medium", "high"), "low"),
        (None, (), None),
    ],
)
def test_without_thinking_effort_is_none_or_what_was_asked_or_least(
    wanted: str | None, efforts: tuple[str, ...], sent: str | None
) -> None:
    fields = thinking_fields({"output_config": {"effort": wanted}}, Profile(efforts=efforts))
    assert fields.get("reasoning_effort") == sent


def test_a_schema_becomes_a_response_format() -> None:
    assert format_fields(TITLE, Profile(), with_tools=False) == {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "response", "schema": SCHEMA, "strict": True},
        }
    }


def test_the_older_name_of_the_format_is_known_too() -> None:
    older = {"output_format": TITLE["output_config"]["format"]}
    assert format_fields(older, Profile(), with_tools=False) == format_fields(TITLE, Profile(), with_tools=False) != {}


def test_a_response_format_is_sent_where_the_server_enforces_it() -> None:
    assert format_fields(TITLE, Profile(response_format=False), with_tools=False) == {}
    assert format_fields(TITLE, Profile(), with_tools=True) == {}
    assert format_fields(TITLE, Profile(response_format_with_tools=True), with_tools=True) != {}


@pytest.mark.parametrize("config", [None, {}, {"format": None}, {"format": {"type": "grammar"}}, {"format": "json"}])
def test_an_unknown_format_is_ignored(config: Any) -> None:
    assert format_fields({"output_config": config}, Profile(), with_tools=False) == {}


@pytest.mark.parametrize(
    ("request_", "abilities", "sent"),
    [
        ({"thinking": ADAPTIVE, "output_config": {"effort": "high"}}, {}, {"effort": "high"}),
        ({"thinking": ADAPTIVE, "output_config": {"effort": "max"}}, {"efforts": ("low", "high")}, {"effort": "high"}),
        ({"thinking": {"type": "enabled", "budget_tokens": 2048}}, {}, {"max_tokens": 2048}),
        ({"thinking": {"type": "enabled", "budget_tokens": 2048}}, {"efforts": ("low",)}, {"enabled": True}),
        ({"thinking": ADAPTIVE}, {}, {"enabled": True}),
        ({}, {}, {"enabled": False}),
        ({}, {"reasoning_mandatory": True, "efforts": ("low", "high")}, {"effort": "low"}),
        ({}, {"reasoning_mandatory": True}, {"enabled": True}),
    ],
)
def test_openrouters_reasoning(request_: Any, abilities: Any, sent: Any) -> None:
    assert thinking_fields(request_, Profile(reasoning_details=True, **abilities)) == {"reasoning": sent}


def test_the_answer_is_not_asked_to_be_longer_than_the_model_can_write() -> None:
    profile = Profile(max_output=100, max_tokens_field="max_completion_tokens")
    assert sampling_fields({"max_tokens": 32000}, profile) == {"max_completion_tokens": 100}
    assert sampling_fields({"max_tokens": 20}, profile) == {"max_completion_tokens": 20}
