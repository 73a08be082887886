"""What is known of models by their names, what a person says of them, and which of it counts."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyclaude.backends.lmstudio import PROFILE as LOCAL
from anyclaude.backends.node import PROFILE as WORKER
from anyclaude.backends.openrouter import PROFILE as OPENROUTER
from anyclaude.config.model import ProfileChange
from anyclaude.config.profiles import FAMILIES, change_of, changed, known
from anyclaude.convert.profile import Profile
from anyclaude.convert.request import convert_request

PIXEL = {"type": "base64", "media_type": "image/png", "data": "aGk="}
ASK: dict[str, Any] = {
    "model": "m",
    "max_tokens": 9,
    "thinking": {"type": "adaptive"},
    "output_config": {"effort": "max"},
    "tools": [{"name": "Bash", "input_schema": {"type": "object", "properties": {"x": {"maxLength": 2000}}}}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "image", "source": PIXEL}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": ""},
                {"type": "tool_use", "id": "toolu_0123456789", "name": "Bash", "input": {}},
            ],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_0123456789", "content": "ok"}]},
    ],
}
BARE = Profile()


def sent(profile: Profile, **more: Any) -> dict[str, Any]:
    return convert_request({**ASK, **more}, profile, "m")


ON = {"chat_template_kwargs": {"enable_thinking": True}}
ON_BY_ANOTHER_NAME = {"chat_template_kwargs": {"thinking": True}}

# family, names, fields that are sent, whether thinking goes back, whether ids are short, whether images are sent
ROWS: list[tuple[str, list[str], dict[str, Any], bool, bool, bool]] = [
    ("gpt-oss", ["openai/gpt-oss-20b", "gpt-oss-120b-MXFP4.gguf"], {"reasoning_effort": "high"}, False, False, False),
    ("qwen3", ["qwen/qwen3-8b", "Qwen3.5-35B-A3B", "unsloth_Qwen-3-4B-Q4_K_M.gguf"], ON, False, False, True),
    ("glm", ["zai-org/glm-4.7-flash", "GLM-4.5-Air", "z-ai/glm-5"], ON, True, False, True),
    ("gemma4", ["google/gemma-4-26b-a4b"], ON, False, False, True),
    (
        "deepseek with both modes",
        ["deepseek/deepseek-v3.1", "DeepSeek-V3.2", "deepseek-chat-v3.1"],
        ON_BY_ANOTHER_NAME,
        True,
        False,
        True,
    ),
    ("deepseek v4", ["deepseek-v4-flash"], {"reasoning_effort": "max"}, True, False, True),
    ("granite 3.2", ["ibm/granite-3.2-8b"], ON_BY_ANOTHER_NAME, False, False, True),
    ("kimi that thinks", ["moonshotai/kimi-k2-thinking", "Kimi-K2.5"], {}, True, False, True),
    ("minimax", ["MiniMax-M2.1", "minimax/minimax-m2"], {}, True, False, True),
    (
        "mistral",
        ["mistralai/mistral-small-3.2", "Ministral-8B", "mixtral-8x7b", "mistralai/devstral-small", "magistral"],
        {},
        False,
        True,
        True,
    ),
]
STRANGERS = [
    "llama-3.3-70b",
    "qwen3-coder-30b",
    "gemma-3-12b",
    "deepseek-v3",
    "deepseek-r1",
    "kimi-k2",
    "current-model",
]


def test_every_family_has_a_row() -> None:
    assert [row[0] for row in ROWS] == [family.name for family in FAMILIES]


@pytest.mark.parametrize(
    ("name", "fields", "thinks_back", "short", "sees"),
    [(name, *rest) for _, names, *rest in ROWS for name in names],
    ids=[name for row in ROWS for name in row[1]],
)
def test_what_is_sent_to_a_family(
    name: str, fields: dict[str, Any], thinks_back: bool, short: bool, sees: bool
) -> None:
    body = sent(known(BARE, name))
    found = {key: body[key] for key in ("chat_template_kwargs", "reasoning_effort") if key in body}
    assert found == fields
    user, assistant, result = body["messages"]
    assert assistant.get("reasoning_content") == ("Hm." if thinks_back else None)
    assert len(result["tool_call_id"]) == (9 if short else 16)
    assert isinstance(user["content"], list) is sees
    assert body["tools"][0]["function"]["parameters"] == ASK["tools"][0]["input_schema"]


@pytest.mark.parametrize("name", STRANGERS)
def test_a_stranger_is_left_as_it_is(name: str) -> None:
    assert known(BARE, name) == BARE


def test_a_title_is_written_without_thinking() -> None:
    off: dict[str, Any] = {"thinking": None, "tools": []}
    assert sent(known(BARE, "qwen3-8b"), **off)["chat_template_kwargs"] == {"enable_thinking": False}
    assert sent(known(BARE, "deepseek-v3.2"), **off)["chat_template_kwargs"] == {"thinking": False}
    least = {**off, "output_config": {}}
    assert sent(known(BARE, "gpt-oss-20b"), **least)["reasoning_effort"] == "low"


@pytest.mark.parametrize("name", [name for row in ROWS for name in row[1]])
def test_a_family_only_adds_to_a_backend(name: str) -> None:
    """OpenRouter has its own words for thinking; a worker without eyes gets none; LM Studio's constants stay."""
    over = known(OPENROUTER, name)
    assert (over.efforts, over.thinking_switch, over.thinking_field) == ((), False, None)
    assert "chat_template_kwargs" not in sent(over)
    assert known(WORKER, name).images is False
    local = known(LOCAL, name)
    assert (local.constants, local.named_tool_choice) == (LOCAL.constants, False)


def test_what_a_person_says_counts_over_the_family() -> None:
    changes = {"qwen3-8b": ProfileChange(thinking_switch=False, efforts=("low", "high"), images=False, tools=False)}
    body = sent(changed(known(BARE, "qwen3-8b"), "qwen3-8b", changes))
    assert "chat_template_kwargs" not in body
    assert "tools" not in body
    assert body["reasoning_effort"] == "high"
    assert isinstance(body["messages"][0]["content"], str)


def test_the_exact_name_counts_over_patterns_and_longer_patterns_over_shorter_ones() -> None:
    changes = {
        "Qwen/Qwen3-8B": ProfileChange(context_window=3),
        "*qwen3*": ProfileChange(context_window=2, max_output=2, images=False),
        "*": ProfileChange(context_window=1, max_output=1, tools=False, images=True),
        "other": ProfileChange(efforts=("low",)),
    }
    said = change_of("qwen/qwen3-8b", changes)
    assert said == ProfileChange(context_window=3, max_output=2, images=False, tools=False)
    assert list(changes) == ["Qwen/Qwen3-8B", "*qwen3*", "*", "other"]


def test_a_name_with_brackets_is_found_by_itself() -> None:
    assert change_of("model[1m]", {"model[1m]": ProfileChange(tools=False)}).tools is False


def test_what_a_person_has_refused_is_not_sent() -> None:
    refused = ProfileChange(refused=("cache_prompt", "max_tokens", "tool schemas", "images"))
    body = sent(changed(LOCAL, "m", {"m": refused}))
    assert "cache_prompt" not in body
    assert (body["max_completion_tokens"], "max_tokens" in body) == (9, False)
    assert body["tools"][0]["function"]["parameters"] == {"type": "object", "properties": {"x": {}}}
    assert isinstance(body["messages"][0]["content"], str)


PROFILES = st.builds(
    Profile,
    images=st.booleans(),
    tools=st.booleans(),
    context_window=st.none() | st.integers(1, 9),
    top_k=st.booleans(),
)
CHANGES = st.builds(
    ProfileChange,
    tools=st.none() | st.booleans(),
    images=st.none() | st.booleans(),
    context_window=st.none() | st.integers(1, 9),
    efforts=st.none() | st.just(("low",)),
    refused=st.none() | st.just(("stop",)),
)
NAMES = st.sampled_from(["a", "A", "ab", "a*", "*", "?", "b[", ""])


@given(PROFILES, NAMES)
def test_no_changes_change_nothing(profile: Profile, name: str) -> None:
    assert changed(profile, name, {}) == profile
    assert changed(profile, name, {name: ProfileChange()}) == profile


@given(PROFILES, NAMES, st.dictionaries(NAMES, CHANGES))
def test_a_change_is_made_once_and_for_all(profile: Profile, name: str, changes: dict[str, ProfileChange]) -> None:
    once = changed(profile, name, changes)
    assert changed(once, name, changes) == once
    said = change_of(name, changes)
    if said.context_window:
        assert once.context_window == said.context_window
