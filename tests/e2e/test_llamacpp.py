"""The real Claude Code on a real model, served by the real llama.cpp in LM Studio's place."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.claude_code import QUESTION, ClaudeCode
from tests.support.llamacpp import STRICT_TOOLS, llamacpp
from tests.support.mending import TEMPLATE, mend

WINDOW = 8192  # tokens; what the model was trained with

# A model of this size may find no end, and loses its way with any word but the likeliest.
STEADY = {"CLAUDE_CODE_MAX_OUTPUT_TOKENS": "160", "CLAUDE_CODE_EXTRA_BODY": json.dumps({"temperature": 0})}
NO_TITLE = {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}

pytestmark = pytest.mark.timeout(300)


async def test_a_model_without_tools_answers(tmp_path: Path) -> None:
    """The launch is cut to the window and to what the model's chat template takes, without being asked to."""
    async with llamacpp(tmp_path, WINDOW) as url:
        claude = ClaudeCode(tmp_path, LMSTUDIO_URL=url, **STEADY)
        answer = await claude.ask(QUESTION, deadline=200)
    assert answer.exit_code == 0, answer.ended.stderr
    assert "Paris" in answer.text
    assert answer.result["usage"]["output_tokens"] > 0
    assert answer.events[0]["tools"] == []


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A model of this size loses its way in a long path, and in one with underscores."""
    folder = Path(f"/tmp/any{os.getpid()}")
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


async def test_a_model_with_tools_reads_a_file(short_folder: Path) -> None:
    """Call, result and answer pass the model's strict chat template; the second turn finds its prompt computed."""
    async with llamacpp(short_folder, WINDOW, STRICT_TOOLS) as url:
        claude = ClaudeCode(short_folder, LMSTUDIO_URL=url, **STEADY)
        fruit = claude.work / "fruit.txt"
        fruit.write_text("pineapple")
        small = ("--bare", "--tools", "Read", "--system-prompt", "You read files.")
        answer = await claude.ask(f"Read the file {fruit}", *small, deadline=200)
    assert answer.exit_code == 0, answer.ended.stderr
    assert [block["input"] for block in answer.blocks("tool_use")] == [{"file_path": str(fruit)}]
    assert "pineapple" in answer.text.lower()
    usage = answer.result["usage"]
    # Of two turns together: the first prompt once computed and once found, the few tokens between them computed.
    assert usage["cache_read_input_tokens"] > usage["input_tokens"] / 2


@pytest.mark.long
async def test_a_model_with_tools_mends_a_program(tmp_path: Path) -> None:
    """It runs, reads, edits and runs again; each turn computes no more than what the last one brought."""
    async with llamacpp(tmp_path, WINDOW, TEMPLATE) as url:
        answer = await mend(ClaudeCode(tmp_path, LMSTUDIO_URL=url, **STEADY, **NO_TITLE))
    usage = answer.result["usage"]
    assert usage["cache_read_input_tokens"] > 3 * usage["input_tokens"]
