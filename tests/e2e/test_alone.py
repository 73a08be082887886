"""Nothing leaves this machine in a local mode: the real Claude Code works where there is nothing but loopback."""

import sys
from pathlib import Path

import pytest

from tests.support.alone import session_alone

CLAUDE_CODES_OWN = {"api.anthropic.com"}
"""What Claude Code 2.1.197 asks the name server for by itself, whatever its model is. It works without an answer."""


@pytest.mark.skipif(sys.platform == "darwin", reason="network namespaces are Linux's")
async def test_a_session_without_a_network(tmp_path: Path) -> None:
    alone = await session_alone(tmp_path)
    assert (alone.exit_code, alone.text) == (0, "Made, all alone.")
    assert alone.loopback >= 2
    assert (alone.ours, alone.asked) == (frozenset(), False)
    assert alone.claudes == frozenset()
    assert alone.names <= CLAUDE_CODES_OWN
