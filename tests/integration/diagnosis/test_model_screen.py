"""`--test-model` in a real terminal: progress, the table, and the question whether to save."""

import json
from pathlib import Path

import pytest

from tests.integration.diagnosis.test_model_battery import ModelUpstream, talker
from tests.support.children import ANYCLAUDE, bare_environment
from tests.support.tmux import terminal

COMMAND = (*ANYCLAUDE, "--test-model")
QUESTION = "save it for this model? [y/N]"


@pytest.mark.parametrize(("answer", "saved"), [("y", True), ("", False)])
async def test_it_is_saved_when_the_person_says_so(answer: str, saved: bool, tmp_path: Path) -> None:
    async with ModelUpstream(talker) as upstream:
        environ = bare_environment(tmp_path, LMSTUDIO_URL=upstream.url)
        async with terminal(COMMAND, environ, tmp_path) as screen:
            asked = await screen.until(QUESTION)
            await screen.type(answer)
            await screen.press("Enter")
            ended = await screen.until("settings kept")
    assert "talk only for Claude Code, score" in asked
    assert 'learnt about scripted-model: {"tools": false}' in asked
    assert "ended with 1" in ended
    path = tmp_path / ".anyclaude" / "profiles.json"
    assert path.exists() is saved
    if saved:
        assert json.loads(path.read_text()) == {"scripted-model": {"tools": False}}
