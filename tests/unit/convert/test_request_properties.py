"""What holds for every conversation: the order of strict templates, and a prompt that only ever grows."""

import copy
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyclaude.convert.profile import Profile
from anyclaude.convert.request import convert_request
from anyclaude.convert.validate import validate_request
from anyclaude.errors import InvalidRequest
from tests.support.conversations import faults, histories, rewritten, sessions

PROFILES = st.builds(
    Profile,
    tools=st.booleans(),
    images=st.booleans(),
    named_tool_choice=st.booleans(),
    none_tool_choice=st.booleans(),
    plain_schemas=st.booleans(),
    short_call_ids=st.booleans(),
    thinking_switch=st.booleans(),
    thinking_field=st.sampled_from([None, "reasoning_content"]),
    efforts=st.sampled_from([(), ("none", "low", "high"), ("low", "medium", "xhigh"), ("odd",)]),
)

ANY_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["type", "role", "content", "text", "id", "name", "source", "input", "x"]),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=8,
)

FULL: dict[str, Any] = {
    "model": "m",
    "max_tokens": 9,
    "system": [{"type": "text", "text": "x-anthropic-billing-header: a"}, {"type": "text", "text": "Be brief."}],
    "tools": [{"name": "Bash", "description": "d", "input_schema": {"type": "object"}}, {"type": "web_search_1"}],
    "tool_choice": {"type": "tool", "name": "Bash", "disable_parallel_tool_use": True},
    "thinking": {"type": "adaptive"},
    "output_config": {"effort": "high", "format": {"type": "json_schema", "schema": {}}},
    "stop_sequences": ["END"],
    "temperature": 1,
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "image", "source": {"type": "url"}}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "Bash", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": [{"type": "image"}]}]},
        {"role": "system", "content": "note"},
    ],
}


def chat(messages: list[dict[str, Any]], profile: Profile | None = None) -> list[dict[str, Any]]:
    request = {"model": "m", "max_tokens": 9, "messages": messages}
    validate_request(request)
    converted: list[dict[str, Any]] = convert_request(request, profile or Profile(), "m")["messages"]
    return converted


@given(histories(), PROFILES)
def test_every_history_gives_a_chat_in_the_order_of_strict_templates(
    history: list[dict[str, Any]], profile: Profile
) -> None:
    assert list(faults(chat(history, profile))) == []


@given(st.one_of(histories(), sessions()), PROFILES)
def test_the_chat_before_an_answer_begins_every_later_chat(history: list[dict[str, Any]], profile: Profile) -> None:
    whole = chat(history, profile)
    for end, message in enumerate(history):
        before = history[:end]
        if before and message["role"] == "assistant" and before[-1]["role"] != "assistant":
            earlier = chat(before, profile)
            assert whole[: len(earlier)] == earlier


@given(st.one_of(histories(), sessions()))
def test_a_rewritten_history_is_the_same_bytes(history: list[dict[str, Any]]) -> None:
    assert orjson.dumps(chat(rewritten(history))) == orjson.dumps(chat(history))


@given(sessions())
def test_a_reminder_is_only_ever_added_at_the_end(history: list[dict[str, Any]]) -> None:
    with_reminder = chat([*history, {"role": "system", "content": "note"}])
    without = chat(history)
    assert with_reminder[: len(without) - 1] == without[:-1]
    assert with_reminder[len(without) - 1]["content"].startswith(without[-1]["content"])
    assert with_reminder[-1]["content"].endswith("<system-reminder>\nnote\n</system-reminder>")


@given(histories(), PROFILES)
def test_conversion_is_repeatable_and_changes_nothing_in_the_request(
    history: list[dict[str, Any]], profile: Profile
) -> None:
    kept = copy.deepcopy(history)
    assert chat(history, profile) == chat(history, profile)
    assert history == kept


@given(ANY_JSON)
def test_any_value_that_is_no_request_is_refused_in_words(value: Any) -> None:
    with pytest.raises(InvalidRequest):
        validate_request(value)


@given(st.data(), PROFILES)
def test_what_passes_validation_converts(data: st.DataObject, profile: Profile) -> None:
    request = copy.deepcopy(FULL)
    parent: Any = request
    while True:
        key = data.draw(st.sampled_from(sorted(parent) if isinstance(parent, dict) else range(len(parent))))
        if not isinstance(parent[key], dict | list) or not parent[key] or data.draw(st.booleans()):
            break
        parent = parent[key]
    parent[key] = data.draw(ANY_JSON)
    try:
        validate_request(request)
    except InvalidRequest:
        return
    convert_request(request, profile, "m")
