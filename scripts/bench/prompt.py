"""What the prompt chain makes of the requests that Claude Code really sends.

    python scripts/bench/prompt.py [--claude PATH]...

Starts each claude against a recorder on loopback, in an account of its own, once under a name that it does not know
(the short prompt) and once as claude-sonnet-4-5 (the long one), and prints a table in Markdown: bytes and estimated
tokens of the system prompt and the tools, by version, by tier and by how the tools are slimmed, and the time that the
chain takes. Nothing that was recorded is kept.
"""

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import tempfile
import time
import timeit
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from anyclaude.prompt.chain import optimise
from anyclaude.prompt.options import Options

MODELS: Final = ("unknown-model", "claude-sonnet-4-5")
CHOICES: Final[Mapping[str, Options]] = {
    "as it is": Options(),
    "auto, noise (the default of local backends)": Options(safe_filter=True, slim_tools="noise"),
    "minimal": Options(safe_filter=True, tier="minimal"),
    "moderate": Options(safe_filter=True, tier="moderate"),
    "aggressive": Options(safe_filter=True, tier="aggressive"),
    "extreme": Options(safe_filter=True, tier="extreme"),
    "smart": Options(smart=True),
    "truncated to 2000": Options(truncate=True),
    "tools noise": Options(slim_tools="noise"),
    "tools short": Options(slim_tools="short"),
    "extreme, tools short": Options(safe_filter=True, tier="extreme", slim_tools="short"),
}
DEADLINE: Final = 90.0


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--claude", action="append", help="a claude to ask; may be given several times")
    installed = os.environ.get("ANYCLAUDE_CLAUDE") or shutil.which("claude")
    programs = parser.parse_args().claude or ([installed] if installed else [])
    if not programs:
        parser.error("claude is not on PATH; give --claude PATH")
    print("| Claude Code | prompt for | chain | applied | system bytes | tokens | tools | bytes | tokens | ms |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for program in programs:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=DEADLINE, check=True)
        for model in MODELS:
            request = asyncio.run(recorded(program, model))
            for name, options in CHOICES.items():
                print(row(f"{said.stdout.split()[0]} | {model}", name, request, options))


def row(about: str, name: str, request: Mapping[str, Any], options: Options) -> str:
    """One line of the table."""
    result = optimise(request, options)
    report, system, tools = result.report, result.request["system"], result.request["tools"]
    applied = " ".join(filter(None, (report.stage, report.tier)))
    sizes = (_size(system), report.system_tokens_after, len(tools), _size(tools), report.tool_tokens_after)
    return f"| {about} | {name} | {applied} | {' | '.join(map(str, sizes))} | {_took(request, options):.1f} |"


def _took(request: Mapping[str, Any], options: Options) -> float:
    """Milliseconds of CPU time for one request, the best of many."""
    return 1000 * min(timeit.repeat(lambda: optimise(request, options), number=1, repeat=30, timer=time.process_time))


async def recorded(program: str, model: str) -> Mapping[str, Any]:
    """The first request with tools and a system prompt that claude makes for a short question.

    Raises SystemExit when it makes none.
    """
    requests: list[dict[str, Any]] = []

    async def record(request: web.Request) -> web.Response:
        if request.path.endswith("/messages"):
            requests.append(await request.json())
        error = {"type": "error", "error": {"type": "invalid_request_error", "message": "recorded"}}
        return web.json_response(error, status=400)

    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", record)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        await _ask(program, model, f"http://127.0.0.1:{runner.addresses[0][1]}")
    finally:
        await runner.cleanup()
    found = [request for request in requests if request.get("tools") and request.get("system")]
    if not found:
        raise SystemExit(f"claude sent no request with tools for {model}")
    return found[0]


async def _ask(program: str, model: str, url: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home, work = _account(Path(folder))
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "ANTHROPIC_BASE_URL": url,
            "ANTHROPIC_AUTH_TOKEN": "recorder",
            "ANTHROPIC_MODEL": model,
        }
        quiet = asyncio.subprocess.DEVNULL
        started = await asyncio.create_subprocess_exec(
            program, "-p", "Say hi", env=environ, cwd=work, stdin=quiet, stdout=quiet, stderr=quiet
        )
        await asyncio.wait_for(started.wait(), DEADLINE)


def _account(folder: Path) -> tuple[Path, Path]:
    """A home in which claude asks nothing, and a folder to work in."""
    home, work = folder / "home", folder / "work"
    home.mkdir()
    work.mkdir()
    trust = {"hasCompletedOnboarding": True, "projects": {str(work): {"hasTrustDialogAccepted": True}}}
    (home / ".claude.json").write_text(json.dumps(trust))
    return home, work


def _size(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


if __name__ == "__main__":
    main()
