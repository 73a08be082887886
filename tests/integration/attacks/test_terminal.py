"""What model servers, models and workers say steers no terminal and forges no line: not in a log, nor on the screen."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from anyclaude.cli.main import main
from tests.support.children import ANYCLAUDE, Ended, bare_environment, run
from tests.support.clients import client_of
from tests.support.openai_upstream import OpenAIUpstream
from tests.support.proxy import proxy_only
from tests.support.raw_upstream import Connection, RawUpstream, raw_upstream, whole
from tests.support.script import Refusal, Says, calls, reply

EVIL: Final = (
    "\x1b[2J\x1b]0;title\x07\x1b]52;c;ZXZpbA==\x07\x9b31m\rforged\n2026-01-01 forged line\x00\x08\x7f"
    "\u202e\u2066\u2028\u0085[red]markup[/red]"
)
"""Clears the screen, names the window, fills the clipboard, colours, overwrites and adds a line, turns text around."""

STEERS: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


@asynccontextmanager
async def evil_node() -> AsyncIterator[RawUpstream]:
    """A worker that is ready, and evil in every word."""
    figures = {"context_length": 32_768, "supports_tools": True, "active": 0, "waiting": 0}
    words = dict.fromkeys(("model", "reason", "instance", "version"), EVIL)
    health: dict[str, Any] = {"status": "healthy", "state": "ready", **figures, **words}

    async def play(connection: Connection) -> None:
        if "/health" in connection.head:
            content: Any = {**health, "state": EVIL} if len(node.requests) % 2 else health
        elif "/models" in connection.head:
            content = {"data": [{"id": EVIL, "object": "model"}]}
        else:
            content = {"error": {"message": EVIL, "type": EVIL}}
        status = 200 if connection.head.startswith("GET") else 400
        await connection.send(whole(status, json.dumps(content).encode(), Content_Type="application/json"))

    async with raw_upstream(play) as node:
        yield node


async def anyclaude(home: Path, *words: str, **environ: str) -> Ended:
    """With a terminal's width; its output is a pipe, so nothing of ours is coloured either."""
    return await run([*ANYCLAUDE, *words], bare_environment(home, COLUMNS="120", **environ), home, 60)


def check(ended: Ended, lines: bool = False) -> None:
    """lines: it shows a text as it was written, in lines."""
    for text in (ended.stdout, ended.stderr):
        assert not STEERS.search(text), repr(text)
        assert lines or not re.search(r"^2026-01-01 forged", text, re.MULTILINE), repr(text)
        assert "Traceback" not in text


async def test_a_worker_that_is_evil_in_every_word(tmp_path: Path) -> None:
    async with evil_node() as node:
        nodes = json.dumps([{"id": "one", "url": node.url}])
        commands = (["cluster", "status"], ["cluster", "status", "--json"])
        every = (anyclaude(tmp_path, *words, MLX_CLUSTER_NODES=nodes) for words in commands)
        for ended in await asyncio.gather(*every):
            check(ended)
            assert ended.stdout + ended.stderr


async def test_a_model_and_its_server(tmp_path: Path) -> None:
    """In the log, the traces and what is shown of them; the client gets a model's words as they are."""
    async with OpenAIUpstream(model=EVIL) as upstream:
        upstream.script(reply(Says(EVIL), calls("Read", file_path=EVIL)), Refusal(400, EVIL))
        environ = {"LMSTUDIO_URL": upstream.url, "ANYCLAUDE_DEBUG": "3"}
        async with proxy_only(tmp_path, **environ) as proxy:
            async with client_of(proxy.url, proxy.token) as client:
                tool = {"name": "Read", "description": EVIL, "input_schema": {"type": "object", "properties": {}}}
                for _ in range(2):
                    messages = [{"role": "user", "content": EVIL}]
                    async with client.post(model=EVIL, stream=True, messages=messages, tools=[tool]) as response:
                        await response.read()
                async with client.get("/anyclaude/status") as response:
                    assert not STEERS.search(await response.text())
                async with client.get("/metrics") as response:
                    assert not STEERS.search(await response.text())
            assert await proxy.end() == ""
    check(await anyclaude(tmp_path, "trace", "list"))
    names = traces(tmp_path)
    assert len(names) == 2
    for ended in await asyncio.gather(*(anyclaude(tmp_path, "trace", "show", name) for name in names)):
        assert ended.exit_code == 0
        check(ended, lines=True)
    for line in log_lines(tmp_path):
        assert line.isascii()
        json.loads(line)


def traces(home: Path) -> list[str]:
    return [path.stem.rpartition("-")[2] for path in home.glob(".anyclaude/traces/*/trace-*.json")]


def log_lines(home: Path) -> list[bytes]:
    return [line for path in home.glob(".anyclaude/logs/*.log") for line in path.read_bytes().splitlines()]


@pytest.mark.parametrize("place", ["LMSTUDIO_MODEL", "ANYCLAUDE_MODE", "LMSTUDIO_URL", "--mode", "--port"])
def test_what_a_person_was_made_to_paste(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    evil = EVIL.replace("\0", "")
    words = [f"{place}={evil}"] if place.startswith("--") else []
    if not words:
        monkeypatch.setenv(place, evil)
    code = main(["--show-config", *words])
    told = capsys.readouterr()
    check(Ended(code, told.out, told.err))
    assert code == (0 if place == "LMSTUDIO_MODEL" else 2)
