"""`anyclaude --proxy-only`: two lines on stdout, then a server that drains when it is told to end."""

import asyncio
import os
import signal
import stat
from pathlib import Path

import aiohttp
import pytest

from tests.support.children import ANYCLAUDE, bare_environment, child, run
from tests.support.draining import refused
from tests.support.held_upstream import QUESTION, HeldUpstream
from tests.support.openai_upstream import OpenAIUpstream


def client_with(token: str) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"})


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


async def exports(started: asyncio.subprocess.Process) -> tuple[str, str]:
    """The URL and the token."""
    assert started.stdout is not None
    url, token = [(await started.stdout.readline()).decode() for _ in range(2)]
    assert url.startswith("export ANTHROPIC_BASE_URL=http://127.0.0.1:")
    assert token.startswith("export ANTHROPIC_AUTH_TOKEN=")
    return url.strip().partition("=")[2], token.strip().partition("=")[2]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_ends_it_and_stdout_has_two_lines(home: Path, number: signal.Signals) -> None:
    async with OpenAIUpstream() as upstream:
        environ = bare_environment(home, LMSTUDIO_URL=upstream.url, PROXY_ONLY="true")
        async with child(ANYCLAUDE, environ, home) as started:
            url, token = await exports(started)
            async with client_with(token) as client, client.get(f"{url}/health") as answer:
                assert answer.status == 200
            assert len(token) == 43
            os.kill(started.pid, number)
            out, err = await started.communicate()
            assert (out, err) == (b"", b"")
            assert started.returncode == 128 + number


async def test_the_token_can_be_chosen_and_is_nowhere_else(home: Path) -> None:
    async with OpenAIUpstream() as upstream:
        environ = bare_environment(home, LMSTUDIO_URL=upstream.url, ANYCLAUDE_AUTH_TOKEN="canary-token")
        async with child([*ANYCLAUDE, "--proxy-only"], environ, home) as started:
            assert (await exports(started))[1] == "canary-token"
            os.kill(started.pid, signal.SIGTERM)
            assert await started.communicate() == (b"", b"")
    [log] = (home / ".anyclaude/logs").iterdir()
    assert "canary" not in log.read_text()
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert list((home / ".anyclaude/proxies").iterdir()) == []  # by whose file it was found


async def test_an_answer_under_way_is_finished_first(home: Path) -> None:
    async with HeldUpstream() as upstream:
        environ = bare_environment(home, LMSTUDIO_URL=upstream.url)
        async with child([*ANYCLAUDE, "--proxy-only"], environ, home) as started:
            url, token = await exports(started)
            async with client_with(token) as client, client.post(f"{url}/v1/messages", json=QUESTION) as answer:
                await answer.content.readuntil(b"text_delta")
                os.kill(started.pid, signal.SIGTERM)
                await refused(url)
                upstream.released.set()
                assert b"message_stop" in await answer.read()
            await started.communicate()
            assert started.returncode == 143


async def test_a_second_signal_does_not_wait_for_the_answer(home: Path) -> None:
    async with HeldUpstream() as upstream:
        environ = bare_environment(home, LMSTUDIO_URL=upstream.url)
        async with child([*ANYCLAUDE, "--proxy-only"], environ, home) as started:
            url, token = await exports(started)
            async with client_with(token) as client, client.post(f"{url}/v1/messages", json=QUESTION) as answer:
                await answer.content.readuntil(b"text_delta")
                os.kill(started.pid, signal.SIGTERM)
                await refused(url)
                os.kill(started.pid, signal.SIGINT)
                with pytest.raises(aiohttp.ClientPayloadError):
                    await answer.read()
            await started.communicate()
            assert started.returncode == 130


@pytest.mark.parametrize(
    ("arguments", "environ", "sentence"),
    [
        (["--port=99999"], {}, "--port must be a whole number"),
        ([], {"LMSTUDIO_URL": "http://127.0.0.1:9/v1"}, "nothing answers at http://127.0.0.1:9/v1"),
        ([], {"ANYCLAUDE_MODE": "openrouter"}, "OpenRouter needs a key"),
        ([], {"ANYCLAUDE_AUTH_TOKEN": "a b"}, "ANYCLAUDE_AUTH_TOKEN may hold"),
    ],
)
async def test_what_is_not_ready_is_one_sentence_and_exit_code_two(
    home: Path, arguments: list[str], environ: dict[str, str], sentence: str
) -> None:
    ended = await run([*ANYCLAUDE, "--proxy-only", *arguments], bare_environment(home, **environ), home, 30)
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"anyclaude: {sentence}")
    assert ended.stderr.count("\n") == 1


async def test_a_taken_port_is_said(home: Path) -> None:
    async with OpenAIUpstream() as upstream:
        port = upstream.url.removesuffix("/v1").rpartition(":")[2]
        environ = bare_environment(home, LMSTUDIO_URL=upstream.url, ANYCLAUDE_PORT=port)
        ended = await run([*ANYCLAUDE, "--proxy-only"], environ, home, 30)
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert port in ended.stderr
    assert ended.stderr.count("\n") == 1


async def test_an_unwritable_log_folder_is_one_warning(home: Path) -> None:
    (home / ".anyclaude").write_text("in the way")
    async with OpenAIUpstream() as upstream:
        environ = bare_environment(home, LMSTUDIO_URL=upstream.url)
        async with child([*ANYCLAUDE, "--proxy-only"], environ, home) as started:
            await exports(started)
            os.kill(started.pid, signal.SIGTERM)
            _, err = await started.communicate()
    assert err.startswith(b"anyclaude: no log is written: ")
    assert err.count(b"\n") == 1


async def test_a_fault_of_ours_is_one_line_and_the_log_has_the_rest(home: Path) -> None:
    """Without a place to make a socket the event loop itself cannot start."""
    broken = (
        "import sys, anyclaude.cli.run as r; r.session = None; from anyclaude.cli.main import main; sys.exit(main())"
    )
    command = [*ANYCLAUDE[:1], "-c", broken, "--proxy-only"]
    ended = await run(command, bare_environment(home), home, 30)
    assert ended.exit_code == 70
    assert ended.stderr.count("\n") == 1
    [log] = (home / ".anyclaude/logs").iterdir()
    assert str(log) in ended.stderr
    assert "Traceback" in log.read_text()
