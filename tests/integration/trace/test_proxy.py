"""A whole proxy and its traces: no secret in any file, jq reads them, and they never cost an answer."""

import asyncio
import base64
import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from anyclaude.convert.reasoning import PREFIX, opened, sealed
from tests.support.clients import client_of
from tests.support.openai_upstream import OpenAIUpstream
from tests.support.proxy import proxy_only
from tests.support.script import Refusal, Says, calls, reply

USER = {"role": "user", "content": "Hi"}
TOOL = {"name": "Read", "description": "reads", "input_schema": {"type": "object", "properties": {}}}

# By value: what the settings and the environment hold.
LAUNCH, UPSTREAM, FILE, ENVIRON = (f"{name}-hidden-Canary{n:02d}" for n, name in enumerate(("la", "up", "fi", "en"), 1))
# By shape.
ANTHROPIC = "sk-ant-api03-xxxxxxCanary05"
OPENROUTER = "sk-or-v1-xxxxxxCanary06"
GITHUB = "ghp_xxxxxxxxxxxxCanary07"
AMAZON = "AKIACANARY08XXXXXXXX"
BEARER = "Bearer xxxxxxxxCanary09"
TOKEN = f"eyJhbGciOiJIUzI1NiJ9.{'x' * 8}Canary10.signed"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIECanary11\n-----END RSA PRIVATE KEY-----"
LOGIN = "postgres://me:Canary12@host/db"
ASSIGNED = "export SERVICE_API_KEY=Canary13"
ADDRESS = "https://host/x?api_key=Canary14&a=1"
SLACK = "xoxb-xxxxxxxxCanary15"
HUGGING = "hf_xxxxxxxxxxxxxxCanary16"
GOOGLE = f"AIza{'x' * 27}Canary17"
BASIC = f"Basic {base64.b64encode(f'me:{ENVIRON}'.encode()).decode()}"
# By name.
HEADERS = {"X-Api-Key": "Canary18", "Cookie": "session=Canary19", "X-Forwarded-Token": "Canary20", "X-Note": BEARER}
SECRETS = [LAUNCH, UPSTREAM, FILE, ENVIRON, ANTHROPIC, OPENROUTER, GITHUB, AMAZON, TOKEN, PEM, LOGIN, ASSIGNED, ADDRESS]
SECRETS += [SLACK, HUGGING, GOOGLE, BASIC, BEARER]


def request(text: str) -> dict[str, Any]:
    """One with the text in every place that a request has."""
    packed = sealed(json.dumps({"model": "m", "details": [{"text": text}], "apiKey": "Canary21"}).encode())
    call = {"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {"command": text, "password": "Canary22"}}
    history = [
        USER,
        {
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": text, "signature": packed}, call],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": json.dumps([text])}]},
        {"role": "user", "content": [{"type": "text", "text": text}]},
    ]
    tool = {**TOOL, "description": text, "input_schema": {"type": "object", "properties": {"a": {"default": text}}}}
    system = [{"type": "text", "text": text}]
    return {"system": system, "tools": [tool], "messages": history, "metadata": {"user_id": text}}


def texts_under(folder: Path) -> Iterator[str]:
    """Every file that the proxy wrote, and what is packed in it."""
    for path in (folder / ".anyclaude").rglob("*"):
        if path.is_file():
            text = path.read_text()
            yield text
            for word in text.split('"'):
                if word.startswith(PREFIX):
                    yield opened(word).decode()


def records(home: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_bytes()) for path in files(home)]


def files(home: Path) -> list[Path]:
    return sorted((home / ".anyclaude/traces/lmstudio").glob("trace-*.json"))


async def test_no_secret_is_in_any_file(tmp_path: Path) -> None:
    own_file = {"backends": {"openrouter": {"apiKey": FILE}}}
    (tmp_path / ".anyclauderc.json").write_text(json.dumps(own_file))
    environ = {"ANYCLAUDE_DEBUG": "3", "ANYCLAUDE_AUTH_TOKEN": LAUNCH, "SERVICE_TOKEN": ENVIRON}
    everything = " , ".join(SECRETS)
    async with OpenAIUpstream() as upstream:
        upstream.script(
            reply(Says(everything, pieces=97), calls("Read", file_path=everything)),
            Refusal(400, f"not with {everything}"),
        )
        environ |= {"LMSTUDIO_URL": upstream.url, "LMSTUDIO_API_KEY": UPSTREAM}
        async with proxy_only(tmp_path, **environ) as proxy, client_of(proxy.url, LAUNCH) as client:
            path = f"/v1/messages?beta=true&api_key=Canary23&note={ENVIRON}"
            for _ in range(2):
                body = {"model": "m", "max_tokens": 9, "stream": True, **request(everything)}
                async with client.session.post(proxy.url + path, json=body, headers=HEADERS) as response:
                    await response.read()
            said = await proxy.end()
        assert upstream.asked[0].headers["Authorization"] == f"Bearer {UPSTREAM}"
        assert "Canary12" in json.dumps(upstream.asked[0].body)
    found = [text.lower() for text in (*texts_under(tmp_path), said.replace(LAUNCH, ""))]
    assert len(records(tmp_path)) == 2
    assert any("not with" in text for text in found)
    assert [n for n in range(1, 24) if any(f"canary{n:02d}" in text for text in found)] == []
    assert not any(base64.b64encode(ENVIRON.encode()).decode().rstrip("=").lower() in text for text in found)


async def test_jq_reads_them(tmp_path: Path) -> None:
    async with OpenAIUpstream() as upstream:
        upstream.script(reply(Says("I look."), calls("Read", file_path="a.txt")))
        async with proxy_only(tmp_path, ANYCLAUDE_DEBUG="3", LMSTUDIO_URL=upstream.url) as proxy:
            async with client_of(proxy.url, proxy.token) as client:
                await client.events(system="be brief", tools=[TOOL])
            await proxy.end()
    (file,) = files(tmp_path)
    assert jq("-r", ".request.body.system", file) == "be brief\n"
    blocks = [json.loads(line) for line in jq("-c", ".response.body.content[]", file).splitlines()]
    assert [block["type"] for block in blocks] == ["text", "tool_use"]
    assert blocks[1]["input"] == {"file_path": "a.txt"}


def jq(*words: object) -> str:
    return subprocess.run(["jq", *map(str, words)], capture_output=True, text=True, check=True).stdout


async def test_a_folder_that_cannot_be_written_costs_traces_and_no_answer(tmp_path: Path) -> None:
    (tmp_path / ".anyclaude").mkdir(mode=0o700)
    (tmp_path / ".anyclaude/traces").write_text("in the way")
    async with OpenAIUpstream() as upstream:
        upstream.script(*[reply(Says("Hello"))] * 3)
        async with proxy_only(tmp_path, ANYCLAUDE_DEBUG="3", LMSTUDIO_URL=upstream.url) as proxy:
            async with client_of(proxy.url, proxy.token) as client:
                for _ in range(3):
                    assert (await client.events(tools=[TOOL]))[-1]["type"] == "message_stop"
            assert "trace" not in await proxy.end()
    logged = [
        json.loads(line) for log in (tmp_path / ".anyclaude/logs").iterdir() for line in log.read_text().splitlines()
    ]
    (told,) = [line["message"] for line in logged if "traces" in line["message"]]
    assert told.startswith("traces are being lost, requests are not:")


async def test_a_kill_leaves_whole_files(tmp_path: Path) -> None:
    count = 12
    async with OpenAIUpstream() as upstream:
        upstream.script(*[reply(Says("Hello"))] * count)
        async with proxy_only(tmp_path, ANYCLAUDE_DEBUG="3", LMSTUDIO_URL=upstream.url) as proxy:
            async with client_of(proxy.url, proxy.token) as client:
                asked = [client.events(tools=[TOOL], system="word " * 80_000) for _ in range(count)]
                for answer in asyncio.as_completed(asked):
                    assert (await answer)[-1]["type"] == "message_stop"
            await proxy.end(signal.SIGKILL)
    assert all(record["outcome"] == "complete" for record in records(tmp_path))
    left = [path for path in (tmp_path / ".anyclaude/traces").rglob("*") if path.is_file() and path.suffix != ".json"]
    assert len(left) <= 1
