from typing import Any

import pytest

from anyclaude.convert.profile import Profile
from anyclaude.convert.refusals import learnt, refused_parameter
from anyclaude.convert.request import convert_request

IMAGE = {"type": "image_url", "image_url": {"url": "data:"}}
SENT: dict[str, Any] = {
    "model": "m",
    "messages": [{"role": "user", "content": [IMAGE]}],
    "tools": [{}],
    "tool_choice": {"type": "function"},
    "parallel_tool_calls": False,
    "max_tokens": 9,
    "temperature": 1,
    "top_k": 4,
    "stop": ["x"],
    "stream": True,
    "reasoning_effort": "high",
    "response_format": {},
    "cache_prompt": True,
}


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("Unsupported parameter: 'temperature' is not supported with this model.", "temperature"),
        ("Unsupported value: 'temperature' does not support 0.5 with this model.", "temperature"),
        ("Unrecognized request argument supplied: top_k", "top_k"),
        ("Unrecognized request arguments supplied: cache_prompt, top_k", "cache_prompt"),
        ("Unknown parameter: 'cache_prompt'.", "cache_prompt"),
        ("Unsupported parameter: 'max_tokens' ... Use 'max_completion_tokens' instead.", "max_tokens"),
        ("'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.", "max_tokens"),
        ("Invalid tool_choice type: 'object'. Supported string values: none, auto, required", "named tool_choice"),
        ("Unexpected reasoning effort value", "reasoning_effort"),
        ("`temperature` is deprecated for this model.", "temperature"),
        ("response_format is not supported by this model", "response_format"),
        ("parallel_tool_calls: Extra inputs are not permitted", "parallel_tool_calls"),
        ("image input is not supported - hint: you may need to provide the mmproj", "images"),
        ("No endpoints found that support image input", "images"),
        ("No endpoints found that support tool use. Try disabling a tool.", None),
        ("No endpoints found that support the provided 'tool_choice' value.", "tool_choice"),
        ("Failed to initialize samplers: failed to parse grammar", "tool schemas"),
        ("error parsing grammar: number of repetitions exceeds sane defaults", "tool schemas"),
        ("registry/model does not support tools", "tools"),
        ("This model does not support parameter stop", "stop"),
        ("Unsupported parameter: 'frequency_penalty'", None),
        ("Unknown field: messages", None),
        ("model is not supported", None),
        ("Invalid request parameters", None),
        ("messages.0: this role is not supported", None),
        ("", None),
    ],
)
def test_what_is_refused(words: str, name: str | None) -> None:
    assert refused_parameter(words, SENT) == name


def test_what_was_not_sent_was_not_refused() -> None:
    bare = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    for words in ("No endpoints found that support image input", "does not support tools", "Unknown parameter: top_k"):
        assert refused_parameter(words, bare) is None


def test_a_grammar_that_fails_without_tools_is_that_of_the_answer() -> None:
    asked = {"model": "m", "messages": [], "response_format": {}}
    assert refused_parameter("failed to parse grammar", asked) == "response_format"
    assert refused_parameter("failed to parse grammar", {"model": "m", "messages": []}) is None


def test_a_crash_is_an_image_s_doing_only_where_it_came_with_one() -> None:
    words = "The model has crashed without additional information. (Exit code: null)"
    image = {"role": "user", "content": [IMAGE]}
    answered = [image, {"role": "assistant", "content": "I see."}, {"role": "user", "content": "And now?"}]
    assert refused_parameter(words, {"messages": [{"role": "system", "content": "s"}, image]}) == "images"
    assert refused_parameter(words, {"messages": [*answered, image]}) == "images"
    assert refused_parameter(words, {"messages": answered}) is None


def test_what_was_learnt_is_not_done_again() -> None:
    source = {"type": "base64", "media_type": "image/png", "data": "aGk="}
    request = {
        "max_tokens": 9,
        "temperature": 1,
        "messages": [{"role": "user", "content": [{"type": "image", "source": source}]}],
        "tools": [{"name": "Bash"}],
        "tool_choice": {"type": "tool", "name": "Bash"},
    }
    profile = Profile()
    for name in ("named tool_choice", "temperature", "max_tokens", "images"):
        assert name in (refused_parameter(f"Unsupported parameter: {name}", SENT), "images", "named tool_choice")
        profile = learnt(profile, name)
    body = convert_request(request, profile, "m")
    assert body["tool_choice"] == "required"
    assert body["max_completion_tokens"] == 9
    assert not {"temperature", "max_tokens"} & body.keys()
    assert isinstance(body["messages"][-1]["content"], str)
    assert "tools" not in convert_request(request, learnt(profile, "tools"), "m")
