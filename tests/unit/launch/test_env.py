"""The child's environment, as a difference."""

import pytest

from anyclaude.config.names import model_name
from anyclaude.launch.env import (
    ChildEnvironment,
    child_environment,
    claude_environment,
    window_variables,
    without_foreign_keys,
)


def made(inherited: dict[str, str], *, window: int | None = 131_072, model_id: str = "qwen3-coder") -> ChildEnvironment:
    return child_environment(
        inherited, url="http://127.0.0.1:5", token="tok", model_id=model_id, window=window, prompt_tokens=26_000
    )


def test_what_is_added() -> None:
    child = made({"PATH": "/bin", "HOME": "/h"})
    assert child.dropped == ()
    assert child.variables == {
        "PATH": "/bin",
        "HOME": "/h",
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:5",
        "ANTHROPIC_AUTH_TOKEN": "tok",
        "ANTHROPIC_MODEL": "qwen3-coder",
        "ANTHROPIC_DEFAULT_OPUS_MODEL": "qwen3-coder",
        "ANTHROPIC_DEFAULT_SONNET_MODEL": "qwen3-coder",
        "ANTHROPIC_DEFAULT_HAIKU_MODEL": "qwen3-coder",
        "ANTHROPIC_DEFAULT_FABLE_MODEL": "qwen3-coder",
        "ANTHROPIC_SMALL_FAST_MODEL": "qwen3-coder",
        "CLAUDE_CODE_SUBAGENT_MODEL": "qwen3-coder",
        "CLAUDE_CODE_ATTRIBUTION_HEADER": "0",
        "CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST": "1",
        "CLAUDE_CODE_DISABLE_1M_CONTEXT": "1",
        "CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY": "1",
        "API_TIMEOUT_MS": "3600000",
        "API_FORCE_IDLE_TIMEOUT": "0",
        "CLAUDE_STREAM_IDLE_TIMEOUT_MS": "3600000",
        "CLAUDE_CODE_MAX_CONTEXT_TOKENS": "131072",
        "CLAUDE_CODE_MAX_OUTPUT_TOKENS": "16384",
        "CLAUDE_CODE_AUTO_COMPACT_WINDOW": "131072",
    }


def test_other_ways_to_a_model_are_dropped_and_named() -> None:
    inherited = {
        "ANTHROPIC_API_KEY": "sk-secret",
        "ANTHROPIC_BASE_URL": "https://gateway",
        "ANTHROPIC_CUSTOM_HEADERS": "a: b",
        "CLAUDE_CODE_USE_BEDROCK": "1",
        "CLAUDE_CODE_OAUTH_TOKEN": "secret",
        "CLAUDE_CODE_EFFORT_LEVEL": "low",
    }
    child = made(inherited)
    assert child.dropped == tuple(sorted(set(inherited) - {"CLAUDE_CODE_EFFORT_LEVEL"}))
    assert child.variables["CLAUDE_CODE_EFFORT_LEVEL"] == "low"
    assert child.variables["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:5"
    assert not {"sk-secret", "secret", "a: b", "https://gateway"} & set(child.variables.values())


def test_our_own_keys_stay_with_us_unsaid() -> None:
    ours = [
        *("ANYCLAUDE_AUTH_TOKEN", "LMSTUDIO_API_KEY", "OPENROUTER_API_KEY", "TAVILY_API_KEY", "BRAVE_API_KEY"),
        *("MLX_WORKER_TOKEN", "MLX_CLUSTER_NODES", "MLX_CLUSTER_KEY"),
    ]
    child = made(dict.fromkeys(ours, "hunter2"))
    assert child.dropped == ()
    assert "hunter2" not in child.variables.values()


def test_the_person_may_choose_times_and_lengths() -> None:
    child = made({"API_TIMEOUT_MS": "1", "CLAUDE_CODE_MAX_OUTPUT_TOKENS": "9"})
    assert child.variables["API_TIMEOUT_MS"] == "1"
    assert child.variables["CLAUDE_CODE_MAX_OUTPUT_TOKENS"] == "9"


@pytest.mark.parametrize(
    ("inherited", "expected"),
    [
        ({}, None),
        ({"NO_PROXY": "corp"}, None),
        ({"HTTPS_PROXY": "http://p"}, "127.0.0.1,localhost"),
        ({"http_proxy": "http://p", "no_proxy": "corp, .x"}, "corp,.x,127.0.0.1,localhost"),
        ({"ALL_PROXY": "http://p", "NO_PROXY": "a,localhost", "no_proxy": "b"}, "a,localhost,b,127.0.0.1"),
    ],
)
def test_loopback_goes_past_proxies(inherited: dict[str, str], expected: str | None) -> None:
    variables = made(inherited).variables
    if expected is None:
        assert {name: variables[name] for name in inherited} == inherited
    else:
        assert (variables["NO_PROXY"], variables["no_proxy"]) == (expected, expected)


@pytest.mark.parametrize(
    ("model_id", "name"),
    [
        ("qwen3-coder-30b", "qwen3-coder-30b"),
        ("lmstudio-community/Qwen3:8b@q4", "lmstudio-community/Qwen3:8b@q4"),
        ("current-model", "local"),
        ("", "local"),
        ("claude-3-5-sonnet-distill", "local"),
        ("my-Opus-merge", "local"),
        ("default", "local"),
        ("gpt-oss-20b [1m]", "gpt-oss-20b-1m"),
        ("模型", "local"),
        ("/Users/me/models/Qwen3-4B-4bit/", "Qwen3-4B-4bit"),
        ("C:\\models\\Phi-4", "Phi-4"),
        ("a" * 200, "a" * 80),
        ("x\x1b[31m\ny", "x-31m-y"),
    ],
)
def test_the_model_keeps_its_name_where_claude_takes_it_for_a_stranger(model_id: str, name: str) -> None:
    assert model_name(model_id) == name


@pytest.mark.parametrize(
    ("window", "prompt", "output", "compacts_at"),
    [
        (8_192, 3_466, 1_024, None),
        (2_400, 979, 512, None),
        (32_768, 7_672, 4_096, 15_672),
        (32_768, 26_058, 4_096, None),
        (65_536, 26_058, 8_192, 44_344),
        (100_000, 26_058, 12_500, 74_500),
        (262_144, 26_058, 32_000, 229_144),
        (1_000_000, 26_058, 32_000, 967_000),
    ],
)
def test_the_window_decides_output_and_compaction(
    window: int, prompt: int, output: int, compacts_at: int | None
) -> None:
    variables = window_variables(window, prompt, {})
    assert variables["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] == str(window)
    assert variables["CLAUDE_CODE_MAX_OUTPUT_TOKENS"] == str(output)
    switch = variables.get("CLAUDE_CODE_AUTO_COMPACT_WINDOW")
    assert (switch is None) == (compacts_at is None)
    if switch is not None:  # the threshold as Claude Code computes it
        assert min(window, max(100_000, int(switch))) - min(output, 20_000) - 13_000 == compacts_at


@pytest.mark.parametrize("window", range(1_000, 70_000, 3_000))
def test_compaction_never_comes_before_there_is_room_to_work(window: int) -> None:
    for given in ({}, {"CLAUDE_CODE_MAX_OUTPUT_TOKENS": "32000"}):
        if "CLAUDE_CODE_AUTO_COMPACT_WINDOW" in window_variables(window, 3_500, given):
            output = int(given.get("CLAUDE_CODE_MAX_OUTPUT_TOKENS", window // 8))
            assert window - min(output, 20_000) - 13_000 > 3_500


def test_an_unknown_window_sets_nothing() -> None:
    assert window_variables(None, 26_000, {}) == {}


def test_the_worker_gets_no_keys() -> None:
    environ = {"HF_TOKEN": "h", "ANTHROPIC_API_KEY": "a", "LMSTUDIO_API_KEY": "l", "MLX_MODEL_PATH": "m"}
    assert without_foreign_keys(environ) == {"HF_TOKEN": "h", "MLX_MODEL_PATH": "m"}


def test_tiers_of_their_own() -> None:
    child = child_environment(
        {},
        url="http://127.0.0.1:5",
        token="tok",
        model_id="qwen3-coder",
        window=None,
        prompt_tokens=26_000,
        tiers={"haiku": "lmstudio:small"},
    )
    assert child.variables["ANTHROPIC_MODEL"] == "qwen3-coder"
    assert child.variables["ANTHROPIC_DEFAULT_HAIKU_MODEL"] == "lmstudio:small"
    assert child.variables["ANTHROPIC_SMALL_FAST_MODEL"] == "lmstudio:small"


def test_in_claude_mode_login_keys_and_models_stay() -> None:
    inherited = {
        "ANTHROPIC_API_KEY": "sk-ant-own",
        "CLAUDE_CODE_OAUTH_TOKEN": "login",
        "ANTHROPIC_MODEL": "opus",
        "ANTHROPIC_BASE_URL": "https://gateway",
        "ANTHROPIC_CUSTOM_HEADERS": "a: b\nX-Anyclaude-Token: old",
        "OPENROUTER_API_KEY": "ours",
        "BRAVE_API_KEY": "perhaps of a server of the person's",
    }
    child = claude_environment(inherited, url="http://127.0.0.1:5", token="tok")
    assert child.dropped == ()
    assert child.variables == {
        "ANTHROPIC_API_KEY": "sk-ant-own",
        "CLAUDE_CODE_OAUTH_TOKEN": "login",
        "ANTHROPIC_MODEL": "opus",
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:5",
        "ANTHROPIC_CUSTOM_HEADERS": "a: b\nx-anyclaude-token: tok",
        "BRAVE_API_KEY": "perhaps of a server of the person's",
    }
