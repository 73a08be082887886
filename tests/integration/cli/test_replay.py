"""`anyclaude trace replay` in front of real servers: what it sends, shows and compares, and how it ends."""

import asyncio
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.anthropic_upstream import anthropic_upstream, says
from tests.support.children import ANYCLAUDE, Ended, bare_environment, child, run
from tests.support.openai_upstream import OpenAIUpstream
from tests.support.script import Breaks, Refusal, Says, Thinks, Waits, calls, reply

TOOL = {"name": "Read", "description": "reads", "input_schema": {"type": "object", "properties": {}}}
KEY = "sk-ant-test-0123456789"
CLEARS = "\x1b[2J"


def write(home: Path, **fields: Any) -> None:
    body = {"model": "m", "max_tokens": 50, "messages": [{"role": "user", "content": "Hi"}], "tools": [TOOL]}
    record = {
        "id": "req_abcdefg1",
        "mode": "claude",
        "request": {"headers": {"anthropic-beta": "b1", "X-Api-Key": "[redacted]"}, "body": body | fields},
        "response": {"body": {"content": [{"type": "text", "text": "Hello"}], "stop_reason": "end_turn"}},
    }
    folder = home / ".anyclaude/traces/claude"
    folder.mkdir(parents=True)
    (folder / "trace-20260101-000000-000-abcdefg1.json").write_text(json.dumps(record))


async def replay(home: Path, *words: str, mode: str = "lmstudio", **environ: str) -> Ended:
    command = [*ANYCLAUDE, "trace", "replay", "last", f"--mode={mode}", *words]
    return await run(command, bare_environment(home, COLUMNS="120", NO_COLOR="1", **environ), home, 30)


async def test_the_answer_is_shown_and_compared(tmp_path: Path) -> None:
    write(tmp_path)
    async with OpenAIUpstream() as upstream:
        upstream.script(reply(Thinks("I must look."), Says(f"[red]So[/red]{CLEARS}"), calls("Read", file_path="a.txt")))
        ended = await replay(tmp_path, LMSTUDIO_URL=upstream.url)
    assert (ended.exit_code, ended.stderr) == (0, "")
    (answered,) = [line for line in ended.stdout.splitlines() if line.startswith("answered by")]
    assert answered.split() == ["answered", "by", "m", f"lmstudio:{upstream.model}"]
    shown = ["thinks", "I must look.", "answer", "[red]So[/red][2J", "calls Read", '{"file_path": "a.txt"}']
    assert ended.stdout.splitlines()[:6] == shown
    assert "\x1b" not in ended.stdout
    rows = {line.split("  ")[0]: line.split() for line in ended.stdout.splitlines()[7:]}
    assert rows["stop reason"][2:] == ["end_turn", "tool_use", "differs"]
    assert rows["tools called"][2:] == ["none", "Read", "differs"]
    assert upstream.asked[0].texts("user") == ["Hi"]
    assert not (tmp_path / "a.txt").exists()


async def test_as_json_with_the_redacted_places(tmp_path: Path) -> None:
    write(tmp_path, messages=[{"role": "user", "content": "the key is [redacted]"}])
    async with OpenAIUpstream() as upstream:
        upstream.script(reply(Says("Hello")))
        ended = await replay(tmp_path, "--json", LMSTUDIO_URL=upstream.url)
    found = json.loads(ended.stdout)
    assert found["redacted"] == ["messages[0].content"]
    assert "messages[0].content" in ended.stderr
    assert found["answer"]["content"] == [{"type": "text", "text": "Hello"}]
    assert not any(row["differs"] for row in found["compared"])
    assert found["usage"]["output_tokens"] == 20
    assert found["timings_ms"]["end"] >= found["timings_ms"]["first_token"] > 0
    assert found["error"] is None


async def test_whole_instead_of_streamed(tmp_path: Path) -> None:
    write(tmp_path)
    async with OpenAIUpstream() as upstream:
        upstream.script(reply(Says("Hello"), calls("Read", file_path="a.txt")))
        ended = await replay(tmp_path, "--no-stream", LMSTUDIO_URL=upstream.url)
    assert ended.stdout.splitlines()[:4] == ["answer", "Hello", "calls Read", '{"file_path": "a.txt"}']


async def test_claude_gets_the_key_of_the_settings_and_the_recorded_betas(tmp_path: Path) -> None:
    write(tmp_path)
    async with anthropic_upstream(says("Hello")) as upstream:
        ended = await replay(
            tmp_path, "--model=claude-x", mode="claude", ANTHROPIC_BASE_URL=upstream.url, ANTHROPIC_API_KEY=KEY
        )
    assert ended.exit_code == 0, ended.stderr
    (asked,) = upstream.to("/v1/messages")
    assert asked.header("x-api-key") == [KEY]
    assert asked.header("anthropic-beta") == ["b1"]
    assert json.loads(asked.body)["model"] == "claude-x"
    assert KEY not in ended.stdout + ended.stderr


async def test_a_named_model_is_asked_whatever_the_routes_say(tmp_path: Path) -> None:
    write(tmp_path, model="claude-haiku-4-5")
    async with OpenAIUpstream() as upstream:
        upstream.script(reply(Says("Hello")))
        environ = {"LMSTUDIO_URL": upstream.url, "ANYCLAUDE_HAIKU_MODEL": "openrouter:other/model"}
        ended = await replay(tmp_path, f"--model={upstream.model}", "--json", **environ)
    assert json.loads(ended.stdout)["route"] == f"lmstudio:{upstream.model}"


async def test_a_reader_that_has_seen_enough_is_no_failure(tmp_path: Path) -> None:
    write(tmp_path)
    for words in (["show", "last"], ["diff", "last", "last"], ["replay", "last", "--mode=lmstudio"]):
        async with OpenAIUpstream() as upstream:
            if words[0] == "replay":
                upstream.script(reply(Says("Hello " * 10_000)))
            piped = ["bash", "-c", 'set -o pipefail; "$@" | true', "bash", *ANYCLAUDE, "trace", *words]
            ended = await run(piped, bare_environment(tmp_path, LMSTUDIO_URL=upstream.url), tmp_path, 30)
        assert (ended.exit_code, ended.stderr) == (0, "")


async def one_sentence(ended: Ended, exit_code: int, *words: str) -> None:
    assert ended.exit_code == exit_code
    (line,) = ended.stderr.splitlines()
    assert line.startswith("anyclaude: ")
    for word in words:
        assert word in line


async def test_what_the_person_has_to_mend(tmp_path: Path) -> None:
    await one_sentence(await replay(tmp_path), 2, "no trace is called last")
    write(tmp_path)
    await one_sentence(await replay(tmp_path, LMSTUDIO_URL="http://127.0.0.1:9/v1"), 2, "127.0.0.1:9")
    await one_sentence(await replay(tmp_path, mode="claude"), 2, "ANTHROPIC_API_KEY")
    await one_sentence(await replay(tmp_path, mode="openrouter"), 2, "OPENROUTER_API_KEY")
    await one_sentence(await replay(tmp_path, mode="mlx-cluster"), 2, "MLX_CLUSTER_NODES")


async def test_an_upstream_that_refuses_or_breaks(tmp_path: Path) -> None:
    write(tmp_path)
    async with OpenAIUpstream() as upstream:
        upstream.script(Refusal(400, "no such luck"), reply(Says("so far"), Breaks()))
        await one_sentence(await replay(tmp_path, LMSTUDIO_URL=upstream.url), 1, "no such luck")
        broken = await replay(tmp_path, LMSTUDIO_URL=upstream.url)
    await one_sentence(broken, 1)
    assert "so far" in broken.stdout


async def test_an_interrupt_closes_the_upstream(tmp_path: Path) -> None:
    write(tmp_path)
    async with OpenAIUpstream() as upstream:
        upstream.script(reply(Says("so far", pieces=1), Waits()))
        environ = bare_environment(tmp_path, LMSTUDIO_URL=upstream.url)
        command = [*ANYCLAUDE, "trace", "replay", "last", "--mode=lmstudio"]
        async with child(command, environ, tmp_path) as started:
            asked = await upstream.turn(1)
            assert started.stdout is not None
            await until(started.stdout, lambda text: "so far" in text)
            started.send_signal(signal.SIGINT)
            await asked.left.wait()
            assert await started.wait() == 130
            assert started.stderr is not None
            assert await started.stderr.read() == b""


async def until(stream: asyncio.StreamReader, seen: Callable[[str], bool]) -> None:
    text = ""
    while not seen(text):
        piece = await stream.read(1000)
        assert piece, f"it ended after {text!r}"
        text += piece.decode()
