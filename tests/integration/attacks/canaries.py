"""Secrets planted in every place where one can come in, and everything that a person's programs and files then say.

    found = await everything_said(folder)
    assert leaks(found) == []

Each canary may be where it was planted and where it must go (the launch's token to claude, a key to its server), and
nowhere else. It is looked for as it is, in JSON, in a URL, in base64, and by its first half.
"""

import asyncio
import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

import aiohttp

from tests.support.children import ANYCLAUDE, bare_environment, run
from tests.support.openai_upstream import OpenAIUpstream
from tests.support.proxy import Proxy, proxy_only
from tests.support.script import Refusal, Says, calls, reply
from tests.support.stub_claude import stub_claude


@dataclass(frozen=True)
class Canary:
    """place: where it comes in. allowed: the outputs in which it must be, or may."""

    place: str
    secret: str
    allowed: tuple[str, ...] = ()


_OWN: Final = ("the child's environment", "the child's environment in claude mode")
_CLAUDES: Final = ("the child's environment in claude mode",)
_EXPORTS: Final = ("the proxy's standard output",)

LAUNCH: Final = Canary("ANYCLAUDE_AUTH_TOKEN", "launch-2f9A-canary-01-zzQx", (*_OWN, *_EXPORTS))
IN_ENVIRONMENT: Final = {
    "LMSTUDIO_API_KEY": Canary("LMSTUDIO_API_KEY", "lmst-7Kd2-canary-02-pWq8"),
    "OPENROUTER_API_KEY": Canary("OPENROUTER_API_KEY", "orou-9Xc4-canary-03-mNb6"),
    "ANTHROPIC_API_KEY": Canary("ANTHROPIC_API_KEY", "anth-3Vf8-canary-04-kLp1", _CLAUDES),
    "ANTHROPIC_AUTH_TOKEN": Canary("ANTHROPIC_AUTH_TOKEN", "auth-6Bn1-canary-05-hGt5", _CLAUDES),
    "CLAUDE_CODE_OAUTH_TOKEN": Canary("CLAUDE_CODE_OAUTH_TOKEN", "oaut-1Zx9-canary-06-fDs2", _CLAUDES),
    "MLX_CLUSTER_KEY": Canary("MLX_CLUSTER_KEY", "clus-8Qw3-canary-07-yUi4"),
    "MLX_WORKER_TOKEN": Canary("MLX_WORKER_TOKEN", "work-4Er6-canary-08-tRe7"),
    "TAVILY_API_KEY": Canary("TAVILY_API_KEY", "tavi-5Ty2-canary-09-oPa3", _CLAUDES),
    "BRAVE_API_KEY": Canary("BRAVE_API_KEY", "brav-2Ui7-canary-10-sDf9", _CLAUDES),
    "AWS_SECRET_ACCESS_KEY": Canary("another program's key", "awss-9Op5-canary-11-gHj1", _OWN),
}
NODE: Final = Canary("a node's token in MLX_CLUSTER_NODES", "node-3As8-canary-12-kLz6")
LOGIN: Final = Canary("a proxy's login in HTTPS_PROXY", "logi-6Df1-canary-13-xCv2", _OWN)
HEADER: Final = Canary("a header in ANTHROPIC_CUSTOM_HEADERS", "head-1Gh4-canary-14-bNm7", _CLAUDES)
OWN_FILE: Final = Canary("the person's settings", "file-8Jk9-canary-15-qWe3")
PROJECT: Final = Canary("a project's settings", "proj-4Zx2-canary-16-rTy8")
CLUSTER_FILE: Final = Canary("the cluster's file", "clfi-7Cv5-canary-17-uIo1")
CLIENT_HEADER: Final = Canary("a header of the client's", "xapi-2Bn8-canary-18-pAs4")
COOKIE: Final = Canary("a cookie", "cook-5Qw1-canary-19-dFg9")
QUERY: Final = Canary("the query of a request", "quer-9Er3-canary-20-hJk6")
RESULT: Final = Canary("a password in a tool's result", "resu-3Ty7-canary-21-lZx2")
SHAPED: Final = Canary("a key in an upstream's error", "sk-ant-api03-6Ui4canary22cVb8")
ADDRESS: Final = Canary("a login in a URL that a model writes", "addr-1Op9-canary-23-nMq5")

CANARIES: Final = (
    LAUNCH,
    *IN_ENVIRONMENT.values(),
    *(NODE, LOGIN, HEADER, OWN_FILE, PROJECT, CLUSTER_FILE, CLIENT_HEADER, COOKIE, QUERY, RESULT, SHAPED, ADDRESS),
)

Said = dict[str, str]
"""Every output by its name."""


async def everything_said(folder: Path) -> Said:
    """Plant all canaries in an account of its own below `folder`, let everything run, and collect what it says."""
    account = _Account(folder)
    async with OpenAIUpstream() as upstream:
        upstream.script(*_answers())
        environ = account.environ(upstream.url)
        async with proxy_only(account.home, **environ) as proxy:
            said = {"the proxy's standard output": json.dumps(proxy.environ)}
            said |= await _asked(proxy)
            said |= {f"arguments of process {pid}": text for pid, text in _arguments(proxy.pid)}
            said |= await _commands(account, environ)
            said["the proxy's standard error"] = await proxy.end()
        said |= await _launches(account, environ)
    return said | dict(_files(account))


def leaks(said: Said) -> list[str]:
    """Each as `canary in output`."""
    return [
        f"{canary.place} in {name}"
        for name, text in said.items()
        for canary in CANARIES
        if name not in canary.allowed and any(form in text for form in _forms(canary.secret))
    ]


class _Account:
    def __init__(self, folder: Path) -> None:
        self.home, self.work = folder / "home", folder / "work"
        for each in (self.home, self.work, self.home / ".anyclaude", folder / "bin", folder / "tmp"):
            each.mkdir(parents=True, mode=0o700)
        self.temporary = folder / "tmp"
        self.claude = stub_claude(folder / "bin")
        node = {"id": "filed", "url": "http://127.0.0.1:9", "token": CLUSTER_FILE.secret}
        openrouter = {"backends": {"openrouter": {"apiKey": OWN_FILE.secret}}, "backend": "lmstudio"}
        _write(self.home / ".anyclauderc.json", openrouter)
        _write(self.home / ".anyclaude/mlx-cluster.json", {"discovery": {"nodes": [node]}})
        _write(self.work / ".anyclauderc.json", {"backends": {"openrouter": {"apiKey": PROJECT.secret}}})

    @property
    def planted(self) -> tuple[Path, ...]:
        return (self.home / ".anyclauderc.json", self.home / ".anyclaude/mlx-cluster.json")

    def environ(self, upstream: str) -> dict[str, str]:
        nodes = [{"id": "named", "url": "http://127.0.0.1:9", "token": NODE.secret}]
        return {
            **{name: canary.secret for name, canary in IN_ENVIRONMENT.items()},
            "ANYCLAUDE_AUTH_TOKEN": LAUNCH.secret,
            "ANYCLAUDE_DEBUG": "3",
            "LMSTUDIO_URL": upstream,
            "MLX_CLUSTER_NODES": json.dumps(nodes),
            "HTTPS_PROXY": f"http://me:{LOGIN.secret}@127.0.0.1:9",
            "ANTHROPIC_CUSTOM_HEADERS": f"X-Gateway: {HEADER.secret}",
            "ANTHROPIC_BASE_URL": "http://127.0.0.1:9",
            "TMPDIR": str(self.temporary),
        }


def _answers() -> Iterator[Any]:
    url = f"postgres://me:{ADDRESS.secret}@db/x"
    every = " ".join(canary.secret for canary in (LAUNCH, *IN_ENVIRONMENT.values(), SHAPED))
    yield reply(Says(f"I connect to {url}.", pieces=7), calls("Read", file_path=url))
    yield Refusal(401, f"Incorrect API key provided: {every}")
    yield Refusal(400, f"no such thing: {url} {every}")
    yield Refusal(503, every)


async def _asked(proxy: Proxy) -> Said:
    """What the proxy answers, in every way that it can be asked."""
    said = {}
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {LAUNCH.secret}"}) as session:
        headers = {"x-api-key": CLIENT_HEADER.secret, "Cookie": f"session={COOKIE.secret}"}
        for number in range(4):
            url = f"{proxy.url}/v1/messages?beta=true&api_key={QUERY.secret}"
            async with session.post(url, json=_request(), headers=headers) as response:
                said[f"answer {number}"] = "" if number == 0 else await response.text()
                await response.read()
        for path in ("/health", "/metrics", "/anyclaude/status", "/v1/models", f"/nothing?key={QUERY.secret}"):
            async with session.get(proxy.url + path) as response:
                said[f"GET {path.partition('?')[0]}"] = await response.text()
        said |= await _refusals(session, proxy)
    return said


async def _refusals(session: aiohttp.ClientSession, proxy: Proxy) -> Said:
    """What it says to requests that it does not take."""
    said = {}
    bodies = (f'{{"model": "{LAUNCH.secret}"', f'{{"messages": "{LAUNCH.secret}"}}', json.dumps([LAUNCH.secret]))
    for number, body in enumerate(bodies):
        sent = {"Content-Type": "application/json", "x-api-key": CLIENT_HEADER.secret}
        async with session.post(f"{proxy.url}/v1/messages", data=body, headers=sent) as response:
            said[f"refusal {number}"] = await response.text()
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(proxy.url).port)
    writer.write(f"GET / HTTP/1.1\nAuthorization: Bearer {LAUNCH.secret}\nX: {QUERY.secret}\0\n\n".encode())
    said["the refusal of what is no HTTP"] = (await reader.read()).decode()
    writer.close()
    return said


def _request() -> dict[str, Any]:
    result = json.dumps({"user": "me", "password": RESULT.secret})
    call = {"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {"file_path": "a"}}
    return {
        "model": "m",
        "max_tokens": 9,
        "stream": True,
        "tools": [{"name": "Read", "description": "reads", "input_schema": {"type": "object", "properties": {}}}],
        "messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": [call]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": result}]},
        ],
    }


_COMMANDS: Final = (
    ("--show-config",),
    ("--check-setup", "--json"),
    ("cluster", "status", "--json"),
)


async def _commands(account: _Account, environ: Mapping[str, str]) -> Said:
    bare = bare_environment(account.home, **{**environ, "ANYCLAUDE_CLAUDE": account.claude})
    newest = (await _newest_trace(account)).stem.rpartition("-")[2]
    every = (*_COMMANDS, ("trace", "show", newest))
    ended = await asyncio.gather(*(run([*ANYCLAUDE, *words], bare, account.work, 90) for words in every))
    return {f"anyclaude {' '.join(words)}": one.stdout + one.stderr for words, one in zip(every, ended, strict=True)}


async def _newest_trace(account: _Account) -> Path:
    """Once there is one: they are written by a thread of their own."""
    async with asyncio.timeout(60):
        while not (found := list(account.home.glob(".anyclaude/traces/*/trace-*.json"))):  # noqa: ASYNC110 (files)
            await asyncio.sleep(0.01)
    return max(found)


async def _launches(account: _Account, environ: Mapping[str, str]) -> Said:
    """Of a whole launch: what its child was given, and what the person saw beside it."""
    said = {}
    bare = bare_environment(account.home, **{**environ, "ANYCLAUDE_CLAUDE": account.claude})
    for mode, name in (("lmstudio", _OWN[0]), ("claude", _OWN[1])):
        ended = await run([*ANYCLAUDE, f"--mode={mode}", "show"], bare, account.work, 60)
        shown = json.loads(ended.stdout.splitlines()[-1])
        said[name] = json.dumps(shown["environ"])
        said[f"the child's arguments in {mode} mode"] = json.dumps(shown["argv"])
        said[f"the launch's words in {mode} mode"] = ended.stderr
    return said


def _arguments(pid: int) -> Iterator[tuple[int, str]]:
    """Of the process and all below it, where the system tells."""
    with suppress(FileNotFoundError, ProcessLookupError):
        yield pid, Path(f"/proc/{pid}/cmdline").read_text()
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            yield from _arguments(int(child))


def _files(account: _Account) -> Iterator[tuple[str, str]]:
    """Every file that is there at the end, but those that were planted."""
    for top in (account.home, account.temporary):
        for path in top.rglob("*"):
            if path.is_file() and path not in account.planted:
                yield f"the file {path.relative_to(top)}", f"{path}\n{path.read_bytes().decode(errors='replace')}"


def _write(path: Path, tree: object) -> None:
    path.write_text(json.dumps(tree))


def _forms(secret: str) -> set[str]:
    encoded = base64.b64encode(secret.encode()).decode().rstrip("=")
    return {secret, json.dumps(secret)[1:-1], quote(secret, safe=""), encoded, secret[: len(secret) // 2 + 4]}
