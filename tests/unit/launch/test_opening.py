"""What a launch knows of its model before it has asked anybody."""

import pytest

from anyclaude.backends.base import ModelInfo
from anyclaude.backends.registry import open_router
from anyclaude.config.model import ProfileChange, Settings
from anyclaude.config.names import NAMELESS
from anyclaude.launch.opening import opened_backend


class Nobody:
    def progress(self, text: str) -> None: ...
    def clear(self) -> None: ...


SAID = ProfileChange(context_window=9000, tools=False, images=True)


@pytest.mark.parametrize(
    ("model", "profiles", "known"),
    [
        (None, {}, ModelInfo(NAMELESS)),
        ("qwen3-8b", {}, ModelInfo("qwen3-8b")),
        ("qwen3-8b", {"qwen*": SAID}, ModelInfo("qwen3-8b", 9000, tools=False, images=True)),
        ("glm", {"qwen*": SAID}, ModelInfo("glm")),
    ],
)
async def test_without_the_check_the_persons_word_is_all_there_is(
    model: str | None, profiles: dict[str, ProfileChange], known: ModelInfo
) -> None:
    settings = Settings(model=model, profiles=profiles, skip_setup_check=True)
    async with opened_backend(settings, {}, Nobody(), open_router) as (_, found):
        assert found == known
