"""The bench of real Claude Codes on real workers: a tool loop with a subagent, its answers told to the model."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "bench" / "cluster_claude.py"


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_tool_loop_with_a_subagent_is_measured_on_real_workers() -> None:
    small = ["--claudes", "1", "--steps", "2", "--nodes", "2", "--threads", "0", "--strategies", "cache-aware"]
    ended = subprocess.run([sys.executable, str(SCRIPT), *small], capture_output=True, text=True, timeout=560)
    assert ended.returncode == 0, ended.stderr
    row = ended.stdout.splitlines()[-1].strip("| ").split(" | ")
    assert row[0] == "cache-aware"
    assert int(row[1]) >= 5, "two steps, one of the subagent, and both ends"
    assert float(row[4].split()[0]) > 50, "each step computes little more than what is new"
