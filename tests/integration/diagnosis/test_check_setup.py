"""Checks with real programs, folders and sockets."""

import asyncio
from pathlib import Path

from pydantic import SecretStr

from anyclaude.backends.base import ModelInfo
from anyclaude.backends.registry import open_backend
from anyclaude.backends.scripted import ScriptedBackend
from anyclaude.config.model import Settings
from anyclaude.config.upstreams import Backends, LMStudio, OpenRouter
from anyclaude.diagnosis.checks import check_setup
from anyclaude.diagnosis.findings import exit_code
from anyclaude.diagnosis.machine import claude_program, own_folder
from anyclaude.diagnosis.upstreams import every_backend
from anyclaude.errors import SetupError
from tests.support.openai_upstream import OpenAIUpstream


def program(folder: Path, script: str) -> dict[str, str]:
    path = folder / "claude"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin"}


def lmstudio(url: str, home: Path) -> Settings:
    return Settings(home=home, backends=Backends(lmstudio=LMStudio(url=url)))


async def test_a_machine_that_is_ready(tmp_path: Path) -> None:
    environ = program(tmp_path, "echo '2.1.197 (Claude Code)'")
    async with OpenAIUpstream() as upstream:
        found = await check_setup(lmstudio(upstream.url, tmp_path / "own"), environ, tmp_path, tmp_path)
    assert exit_code(found) == 0
    assert {each.status for each in found} == {"ok"}
    assert any("scripted-model" in each.said for each in found)
    assert not (tmp_path / "own").exists()


async def test_a_backend_that_is_away_is_a_failure_with_a_next_step(tmp_path: Path) -> None:
    async with OpenAIUpstream() as upstream:
        url = upstream.url
    found = await every_backend(lmstudio(url, tmp_path), open_backend)
    assert [each.status for each in found] == ["failure"]
    assert "nothing answers" in found[0].said
    assert found[0].next_step


async def test_a_small_window_is_told(tmp_path: Path) -> None:
    async with OpenAIUpstream(context_window=512) as upstream:
        tiny = await every_backend(lmstudio(upstream.url, tmp_path), open_backend)
    async with OpenAIUpstream(context_window=16_384) as upstream:
        small = await every_backend(lmstudio(upstream.url, tmp_path), open_backend)
    assert [each.status for each in tiny] == ["ok", "failure", "ok"]
    assert [each.status for each in small] == ["ok", "warning", "ok"]


async def test_a_faulty_backend_is_a_finding(tmp_path: Path) -> None:
    class Faulty(ScriptedBackend):
        async def ready(self, model: str | None = None) -> ModelInfo:
            raise KeyError("secret")

    settings = lmstudio("http://127.0.0.1:1", tmp_path)
    (found,) = await every_backend(settings, lambda mode, settings: Faulty())
    assert (found.status, found.next_step) == ("failure", "please report it")
    assert "secret" not in repr(found)


async def test_a_silent_backend_has_a_deadline(tmp_path: Path) -> None:
    class Silent(ScriptedBackend):
        async def ready(self, model: str | None = None) -> ModelInfo:
            await asyncio.Event().wait()
            raise AssertionError

    backend = Silent()
    (found,) = await every_backend(Settings(home=tmp_path), lambda mode, settings: backend, deadline=0.05)
    assert (found.status, backend.closed) == ("failure", True)
    assert "no answer within" in found.said


async def test_what_no_launch_uses_only_warns(tmp_path: Path) -> None:
    def opening(mode: str, settings: Settings) -> ScriptedBackend:
        if mode == "openrouter":
            raise SetupError("it is away; wait")
        return ScriptedBackend()

    besides = Backends(openrouter=OpenRouter(api_key=SecretStr("k")))
    found = await every_backend(Settings(home=tmp_path, backends=besides), opening)
    assert found[-1].area == "openrouter"
    assert found[-1].status == "warning"
    assert exit_code(found) == 0


async def test_a_claude_that_is_missing_broken_old_or_silent(tmp_path: Path) -> None:
    (missing,) = await claude_program({"PATH": str(tmp_path)})
    assert missing.status == "failure"
    assert missing.next_step
    assert "npm install" in missing.next_step
    (broken,) = await claude_program(program(tmp_path, "exit 1"))
    assert broken.status == "failure"
    (old,) = await claude_program(program(tmp_path, "echo 1.0.40"))
    assert (old.status, old.next_step) == ("warning", "run `claude update`")
    (silent,) = await claude_program(program(tmp_path, "exec sleep 60"), deadline=0.2)
    assert "said nothing" in silent.said


def test_files_that_others_can_read_are_told(tmp_path: Path) -> None:
    home = tmp_path / "own"
    home.mkdir(mode=0o700)
    (home / "trace").write_text("x")
    assert {each.status for each in own_folder(home)} == {"ok"}
    home.chmod(0o755)
    assert [each.status for each in own_folder(home)] == ["ok", "warning", "ok"]
    (tmp_path / "file").write_text("")
    assert own_folder(tmp_path / "file")[0].status == "failure"
