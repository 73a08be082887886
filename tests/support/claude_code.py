"""The real Claude Code, started by the real `anyclaude`, in an account of its own and without a person.

    claude = ClaudeCode(tmp_path, lmstudio=upstream.url)
    answer = await claude.ask("Write hello.txt")
    assert answer.text == "Done."

The home folder is fresh for every `ClaudeCode`: no login, no settings, no history but its own.
"""

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.children import ANYCLAUDE, REPOSITORY, Ended, bare_environment, run

VERSION = "2.1.197"
HEADLESS = ("--output-format", "stream-json", "--verbose", "--dangerously-skip-permissions")


QUESTION = "The capital of France is Paris. What is the capital of France?"
"""For a toy model, which must read it to answer it. What such a model knows by itself changes with the date and the
folder that Claude Code puts into its prompt; to this, at temperature 0, it answered Paris for every one of them tried.
"""


@dataclass(frozen=True)
class Answer:
    """A headless run to its end: what Claude Code printed as events, and what it said at last."""

    ended: Ended
    events: list[dict[str, Any]]

    @property
    def exit_code(self) -> int:
        return self.ended.exit_code

    @property
    def result(self) -> dict[str, Any]:
        results = [event for event in self.events if event["type"] == "result"]
        assert results, f"no result; exit code {self.exit_code}, stderr: {self.ended.stderr}"
        return results[-1]

    @property
    def text(self) -> str:
        text: str = self.result.get("result", "")
        return text

    def blocks(self, kind: str) -> list[dict[str, Any]]:
        """The content blocks of that type in the model's messages, in order."""
        messages = (event["message"]["content"] for event in self.events if event["type"] == "assistant")
        return [block for content in messages for block in content if block["type"] == kind]


class ClaudeCode:
    """One account and one working folder; every `ask` is a new process."""

    def __init__(self, folder: Path, mode: str = "lmstudio", **environ: str) -> None:
        self.work = folder / "work"
        self.home = folder / "home"
        self.mode = mode
        self.work.mkdir(parents=True)
        self.home.mkdir()
        _settle(self.home, self.work)
        sandbox = {"IS_SANDBOX": "1"} if os.geteuid() == 0 else {}
        self.environ = bare_environment(self.home, ANYCLAUDE_CLAUDE=find_claude(), **sandbox, **environ)

    def command(self, *arguments: str) -> list[str]:
        return [*ANYCLAUDE, f"--mode={self.mode}", *arguments]

    async def ask(self, prompt: str, *arguments: str, deadline: float = 90.0) -> Answer:
        """One prompt, answered to the end. Raises TimeoutError after `deadline` seconds."""
        command = self.command("-p", prompt, *HEADLESS, *arguments)
        return _answer(await run(command, self.environ, self.work, deadline))


async def ask_directly(environ: dict[str, str], work: Path, prompt: str, deadline: float = 90.0) -> Answer:
    """The same without `anyclaude`: for a proxy that runs by itself."""
    return _answer(await run([find_claude(), "-p", prompt, *HEADLESS], environ, work, deadline))


def find_claude() -> str:
    """ANYCLAUDE_CLAUDE, what `make` installs, or PATH. Fails with the next step."""
    installed = REPOSITORY / ".cache/claude-code/node_modules/.bin/claude"
    found = os.environ.get("ANYCLAUDE_CLAUDE") or (installed if installed.exists() else shutil.which("claude"))
    assert found, "the real Claude Code is not installed: run scripts/test/setup"
    return str(found)


def _settle(home: Path, work: Path) -> None:
    """Answer beforehand what Claude Code asks a new user."""
    answers = {
        "hasCompletedOnboarding": True,
        "theme": "dark",
        "bypassPermissionsModeAccepted": True,
        "projects": {str(work): {"hasTrustDialogAccepted": True}},
    }
    (home / ".claude.json").write_text(json.dumps(answers))


def _answer(ended: Ended) -> Answer:
    return Answer(ended, _events(ended.stdout.splitlines()))


def _events(lines: Sequence[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines if line.startswith("{")]
