"""The script that tries what is counted on in Claude Code: it still runs, and it tells a Claude Code that differs."""

import json
import sys
from pathlib import Path
from typing import Any

from tests.support.children import REPOSITORY, bare_environment, run
from tests.support.claude_code import find_claude


async def conformance(home: Path, claude: str, numbers: str) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, str(REPOSITORY / "scripts/test/conformance.py"), "--only", numbers, "--json"]
    ended = await run(command, bare_environment(home, ANYCLAUDE_CLAUDE=claude), REPOSITORY, 100)
    assert ended.stdout, ended.stderr
    return ended.exit_code, json.loads(ended.stdout)


async def test_points_pass_with_the_real_one(tmp_path: Path) -> None:
    exit_code, told = await conformance(tmp_path, find_claude(), "1,4")
    assert (exit_code, [point["passed"] for point in told["points"]]) == (0, [True, True]), told
    assert "Claude Code" in told["claude_code"]


async def test_points_fail_with_one_that_does_nothing(tmp_path: Path) -> None:
    other = tmp_path / "claude"
    other.write_text("#!/bin/sh\necho 9.9.9\n")
    other.chmod(0o755)
    exit_code, told = await conformance(tmp_path, str(other), "1,3,4,10")
    assert exit_code == 1
    assert told["claude_code"] == "9.9.9"
    assert [(point["number"], point["passed"]) for point in told["points"]] == [(n, False) for n in (1, 3, 4, 10)]
