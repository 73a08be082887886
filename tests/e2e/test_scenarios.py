"""What people do with Claude Code all day, each from its beginning to its end: files, transcript, and what was asked.

Here on a scripted upstream; on real servers in test_real_scenarios.py. Others of that kind: images, PDFs and failing
calls in test_tools.py, the web in test_web_search.py, overflow in test_long_sessions.py, Esc in an answer in
test_interactive.py.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.meeting import Meeting
from tests.support.scenarios import coding, reading, sessions
from tests.support.scenarios.stage import Scripted


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Scripted]:
    async with Meeting(lambda _: None, {}) as upstream:
        yield Scripted(tmp_path, upstream)


async def test_edit_run_fix_for_thirty_turns(stage: Scripted) -> None:
    await coding.edit_run_fix(stage)


async def test_three_subagents_work_side_by_side(stage: Scripted) -> None:
    await coding.three_subagents(stage)


async def test_a_tool_of_an_mcp_server_is_found_and_called(stage: Scripted) -> None:
    await reading.tool_search(stage)


@pytest.mark.long
async def test_a_conversation_goes_on_behind_a_new_proxy(stage: Scripted) -> None:
    await coding.on_behind_a_new_proxy(stage)


async def test_compact_by_hand(stage: Scripted) -> None:
    await sessions.compact_by_hand(stage)


async def test_esc_ends_a_running_command(stage: Scripted) -> None:
    await coding.esc_in_a_tool(stage)
