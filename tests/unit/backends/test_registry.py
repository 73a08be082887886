"""From settings to backends."""

import pytest
from pydantic import SecretStr

from anyclaude.backends.registry import open_router
from anyclaude.config.model import Models, Settings
from anyclaude.config.upstreams import Backends, Claude, LMStudio
from anyclaude.errors import SetupError


@pytest.mark.parametrize(
    "settings",
    [
        Settings(models=Models(opus="claude")),
        Settings(backends=Backends(lmstudio=LMStudio(fallback=("claude",)))),
    ],
    ids=["tier", "fallback"],
)
def test_claude_beside_another_model_needs_a_key(settings: Settings) -> None:
    with pytest.raises(SetupError, match="set ANTHROPIC_API_KEY"):
        open_router(settings)


@pytest.mark.parametrize("settings", [Settings(mode="mlx-cluster"), Settings(mode="openrouter")])
def test_what_cannot_be_opened(settings: Settings) -> None:
    with pytest.raises(SetupError):
        open_router(settings)


async def test_claude_itself_needs_none() -> None:
    await open_router(Settings(mode="claude")).aclose()
    key = Backends(claude=Claude(api_key=SecretStr("sk-ant-x")))
    await open_router(Settings(backends=key, models=Models(opus="claude"))).aclose()
