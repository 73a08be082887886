"""`anyclaude trace serve` as a person types it."""

import asyncio
import signal
import stat
from pathlib import Path

import aiohttp
import pytest

from tests.support.children import ANYCLAUDE, bare_environment, child, run
from tests.support.told_stories import summer_time

_SERVE = (*ANYCLAUDE, "trace", "serve")

# A browser that keeps what it was given, and what the file says that it was given.
_BROWSER = """#!/bin/sh
printf '%s' "$1" > "$HOME/given"
cp -p "${1#file://}" "$HOME/file"
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    summer_time(tmp_path / ".anyclaude")
    return tmp_path


async def test_it_prints_one_address_and_serves_until_it_is_interrupted(home: Path) -> None:
    async with child(_SERVE, bare_environment(home), home) as serving, aiohttp.ClientSession() as browser:
        assert serving.stdout is not None
        address = (await asyncio.wait_for(serving.stdout.readline(), 60)).decode().strip()
        async with browser.get(address, allow_redirects=False) as answer:
            assert answer.status == 303
        serving.send_signal(signal.SIGINT)
        out, err = await asyncio.wait_for(serving.communicate(), 60)
        assert (serving.returncode, out) == (130, b"")
        assert err == b"anyclaude: traces are shown there until Ctrl-C\n"


async def test_the_token_is_in_no_argument_of_a_browser(home: Path) -> None:
    script = home / "browser"
    script.write_text(_BROWSER)
    script.chmod(stat.S_IRWXU)
    environ = bare_environment(home, BROWSER=f"{script} %s")
    async with child([*_SERVE, "--open"], environ, home) as serving:
        assert serving.stdout is not None
        address = (await asyncio.wait_for(serving.stdout.readline(), 60)).decode().strip()
        assert serving.stderr is not None
        await asyncio.wait_for(serving.stderr.readline(), 60)
        serving.send_signal(signal.SIGINT)
        await asyncio.wait_for(serving.communicate(), 60)
    assert _judged(home, address) == []


def _judged(home: Path, address: str) -> list[str]:
    """What is wrong with what a browser was given."""
    given, kept = (home / "given").read_text(), home / "file"
    found = {
        "it is no file": not given.startswith("file:///"),
        "the token is in it": "token" in given,
        "the file was not removed": Path(given.removeprefix("file://")).exists(),
        "the file does not lead there": address not in kept.read_text(),
        "others can read the file": stat.S_IMODE(kept.stat().st_mode) & 0o077 != 0,
    }
    return [fault for fault, there in found.items() if there]


async def test_a_port_that_is_none_is_one_sentence(home: Path) -> None:
    ended = await run([*_SERVE, "--port=70000"], bare_environment(home), home, deadline=60)
    assert ended.exit_code == 2
    assert "must be a whole number from 0 to 65535" in ended.stderr
