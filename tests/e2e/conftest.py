"""Every test here starts the real Claude Code. The scripted upstream plays LM Studio."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.claude_code import ClaudeCode
from tests.support.openai_upstream import OpenAIUpstream


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture
async def upstream() -> AsyncIterator[OpenAIUpstream]:
    async with OpenAIUpstream() as server:
        yield server


@pytest.fixture
def claude(tmp_path: Path, upstream: OpenAIUpstream) -> ClaudeCode:
    return ClaudeCode(tmp_path, LMSTUDIO_URL=upstream.url)
