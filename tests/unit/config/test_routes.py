"""Targets, routes and the names that Claude Code is given for them."""

from typing import Any

import pytest

from anyclaude.config.model import Models, Settings
from anyclaude.config.names import named_target, tier_names, tier_of
from anyclaude.config.routes import Routes, Target, fallbacks, parse_target, routes_of
from anyclaude.config.upstreams import Backends, LMStudio, OpenRouter
from anyclaude.errors import SetupError


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("qwen3:8b", Target("lmstudio", "qwen3:8b")),
        ("openrouter:z-ai/glm:free", Target("openrouter", "z-ai/glm:free")),
        ("mlx-cluster", Target("mlx-cluster")),
        ("claude:", Target("claude")),
        ("claude-opus-4-8", Target("lmstudio", "claude-opus-4-8")),
    ],
)
def test_what_a_text_stands_for(text: str, target: Target) -> None:
    assert parse_target(text, "lmstudio") == target
    assert target.model is None or str(target).endswith(target.model)


def test_the_routes_of_settings() -> None:
    settings = Settings(mode="claude", models=Models(subagent="lmstudio:qwen3", haiku="claude-haiku-4-5"))
    routes = routes_of(settings)
    assert routes.main == Target("claude")
    assert routes.subagent == Target("lmstudio", "qwen3")
    assert routes.haiku == Target("claude", "claude-haiku-4-5")
    assert list(routes.targets()) == [routes.main, routes.haiku, routes.subagent]


def test_fallbacks_belong_to_the_backend() -> None:
    backends = Backends(lmstudio=LMStudio(fallback=("other", "openrouter:big")))
    settings = Settings(backends=backends)
    assert fallbacks(settings, Target("lmstudio", "any")) == [Target("lmstudio", "other"), Target("openrouter", "big")]
    assert fallbacks(settings, Target("claude")) == []


@pytest.mark.parametrize(
    "settings",
    [
        {"models": Models(haiku="openrouter:x")},
        {"backends": Backends(lmstudio=LMStudio(fallback=("openrouter:x",)), openrouter=OpenRouter(enabled=False))},
    ],
    ids=["tier", "fallback"],
)
def test_a_backend_that_is_switched_off_takes_no_route(settings: dict[str, Any]) -> None:
    off = Backends(openrouter=OpenRouter(enabled=False))
    with pytest.raises(SetupError, match="openrouter has enabled: false"):
        routes_of(Settings(**{"backends": off, **settings}))


def test_names_of_tiers_are_names_that_claude_code_does_not_know_and_differ() -> None:
    main = Target("lmstudio")
    routes = Routes(
        main,
        opus=Target("claude", "claude-opus-4-8"),
        sonnet=Target("openrouter", "anthropic/claude-sonnet-4.5"),
        haiku=Target("openrouter", "anthropic/claude-haiku-4.5"),
    )
    names = tier_names(routes)
    assert names == {"opus": "claude-opus-4-8", "sonnet": "local", "haiku": "local-2"}
    targets = {name: getattr(routes, tier) for tier, name in names.items()}
    assert named_target("local-2", targets) == routes.haiku
    assert named_target("qwen3", targets) is None


def test_tiers_with_one_target_have_one_name() -> None:
    routes = Routes(Target("lmstudio"), opus=Target("lmstudio", "a"), haiku=Target("lmstudio", "a"))
    assert tier_names(routes) == {"opus": "lmstudio:a", "haiku": "lmstudio:a"}


@pytest.mark.parametrize(
    ("name", "tier"),
    [("claude-haiku-4-5-20251001", "haiku"), ("claude-3-5-sonnet", "sonnet"), ("qwen-opus", None), ("claude-x", None)],
)
def test_the_tier_of_anthropics_ids(name: str, tier: str | None) -> None:
    assert tier_of(name) == tier
