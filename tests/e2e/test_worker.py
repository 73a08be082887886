"""The real Claude Code on the real worker with a real model: what `make run` does, but for the installation."""

import json
import sys
from pathlib import Path

import psutil
import pytest

from mlx_worker.blas import preload_environment
from tests.support.children import REPOSITORY, bare_environment, run
from tests.support.claude_code import ClaudeCode
from tests.support.mending import mend

pytestmark = pytest.mark.timeout(400)

# A model of this size may find no end: one sentence will do. The likeliest word each time makes every run the same.
BRIEFLY = {"temperature": 0, "stop_sequences": ["."]}
STEADY = {"CLAUDE_CODE_MAX_OUTPUT_TOKENS": "100", "CLAUDE_CODE_EXTRA_BODY": json.dumps(BRIEFLY)}


async def test_a_fresh_machine_answers(tmp_path: Path) -> None:
    """No server, no key, no model: the launcher starts a worker, which makes itself one."""
    claude = ClaudeCode(tmp_path, mode="mlx-cluster", **STEADY)
    answer = await claude.ask("What is the capital of France?", deadline=300)
    assert answer.exit_code == 0, answer.ended.stderr
    assert answer.text.strip()  # what it knows of the world depends on the date and the folder in its prompt
    assert answer.result["usage"]["output_tokens"] > 0
    assert running(claude.home) == []


async def test_a_model_that_has_learnt_it_mends_a_program(tmp_path: Path) -> None:
    """Its calls are run, and what they bring comes back to it: it runs, reads, edits and runs again."""
    model = tmp_path / "model"
    teaching = [sys.executable, "-m", "tests.support.mending", str(model)]
    taught = await run(teaching, bare_environment(tmp_path, **preload_environment()), REPOSITORY, 300)
    assert taught.exit_code == 0, taught.stderr
    steady = {"CLAUDE_CODE_EXTRA_BODY": json.dumps({"temperature": 0}), "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}
    claude = ClaudeCode(tmp_path, mode="mlx-cluster", MLX_MODEL_PATH=str(model), **steady)
    answer = await mend(claude)
    usage = answer.result["usage"]
    assert usage["cache_read_input_tokens"] > usage["input_tokens"]


def running(home: Path) -> list[str]:
    """The command lines of whatever still runs in that account."""
    everything = psutil.process_iter(["cmdline", "environ"])
    return [" ".join(one.info["cmdline"]) for one in everything if (one.info["environ"] or {}).get("HOME") == str(home)]
