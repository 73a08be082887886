"""Every test here starts the real Claude Code. The scripted upstream plays LM Studio."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.claude_code import ClaudeCode
from tests.support.openai_upstream import OpenAIUpstream


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is marked `long` shows on another real server what a test beside it shows: `make scenarios` plays it."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)
    if os.environ.get("SCENARIOS") != "all":
        long = [item for item in items if item.get_closest_marker("long")]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


@pytest.fixture
async def upstream() -> AsyncIterator[OpenAIUpstream]:
    async with OpenAIUpstream() as server:
        yield server


@pytest.fixture
def claude(tmp_path: Path, upstream: OpenAIUpstream) -> ClaudeCode:
    return ClaudeCode(tmp_path, LMSTUDIO_URL=upstream.url)
