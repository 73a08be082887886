"""A worker of our own: it comes up, its progress is shown, and it is never left behind."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from anyclaude.backends.base import ModelInfo
from anyclaude.errors import SetupError
from anyclaude.launch import worker
from anyclaude.launch.worker import local_worker, wait_ready
from tests.support.pids import state, until_gone
from tests.support.stub_worker import PROGRAM


class Shown:
    def __init__(self) -> None:
        self.texts: list[str] = []

    def progress(self, text: str) -> None:
        self.texts.append(text)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PIDS": str(tmp_path / "pids"), "LMSTUDIO_API_KEY": "canary"}


def stub(word: str) -> list[str]:
    return [sys.executable, "-c", PROGRAM, word]


def processes(pids: str) -> list[int]:
    """Those in the file."""
    return [int(pid) for pid in Path(pids).read_text().split()]


def states(pids: str) -> list[str]:
    """The state of each process in the file as `ps` says it, "" for one that does not exist."""
    return [state(pid) for pid in processes(pids)]


def gone(pids: str) -> bool:
    """Whether none of the processes in the file exists, not even as a zombie."""
    for pid in processes(pids):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    return True


async def test_it_comes_up_and_ends_with_the_block(environ: dict[str, str]) -> None:
    shown = Shown()
    async with local_worker(None, environ, shown, command=stub("serve")) as started:
        assert started.node.url == "http://127.0.0.1:1234"
        assert started.node.token is not None
        assert await started.failure() is None
        token = started.node.token.get_secret_value()
    assert list(started.last_words) == ["noise", f"{token} None"]
    assert shown.texts[1:] == ["model: fetching", "Fetching 3 files:  33%|###   |", "model: loading"]
    assert started.process.returncode in (0, -signal.SIGTERM)
    assert gone(environ["PIDS"])


async def test_one_that_hears_nothing_is_killed_with_what_it_started(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "GRACE", 0.1)
    async with local_worker(None, environ, Shown(), command=stub("deaf")) as started:
        its_own, of_its_child = states(environ["PIDS"])
        assert its_own
        assert of_its_child
    assert started.process.returncode == -signal.SIGKILL
    its_own, _ = states(environ["PIDS"])
    assert its_own == ""
    await until_gone(*processes(environ["PIDS"]))


async def test_it_ends_when_the_block_is_cancelled(environ: dict[str, str]) -> None:
    inside = asyncio.Event()

    async def use() -> None:
        async with local_worker(None, environ, Shown(), command=stub("serve")):
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(use())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert gone(environ["PIDS"])


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("refuse", "the worker ended with 2 before it was ready: no such model"),
        ("silent", "the worker ended with 9 before it was ready; the log may say why"),
    ],
)
async def test_one_that_does_not_come_up_says_why(environ: dict[str, str], word: str, sentence: str) -> None:
    with pytest.raises(SetupError) as caught:
        async with local_worker(None, environ, Shown(), command=stub(word)):
            raise AssertionError("it never listened")
    assert caught.value.message == sentence
    assert gone(environ["PIDS"])


async def test_one_that_never_listens_is_given_up(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "LISTEN_DEADLINE", 0.05)
    with pytest.raises(SetupError, match="did not listen within"):
        async with local_worker(None, environ, Shown(), command=["/bin/sh", "-c", "echo $$ > $PIDS; read x"]):
            raise AssertionError("it never listened")


async def test_readiness_is_asked_for_until_it_comes(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "POLL", 0.001)
    asked = 0

    async def ready() -> ModelInfo:
        nonlocal asked
        asked += 1
        if asked < 3:
            raise SetupError("loading")
        return ModelInfo("m", 8192)

    async with local_worker(None, environ, Shown(), command=stub("serve")) as started:
        assert await wait_ready(ready, started) == ModelInfo("m", 8192)


async def test_a_worker_that_dies_while_loading_ends_the_wait(environ: dict[str, str]) -> None:
    async def never() -> ModelInfo:
        raise SetupError("loading")

    async with local_worker(None, environ, Shown(), command=stub("serve")) as started:
        started.process.kill()
        with pytest.raises(SetupError, match="the worker ended with -9 before it was ready"):
            await wait_ready(never, started)


async def test_a_model_that_never_loads_is_given_up(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "READY_DEADLINE", -1.0)

    async def never() -> ModelInfo:
        raise SetupError("still loading")

    async with local_worker(None, environ, Shown(), command=stub("serve")) as started:
        with pytest.raises(SetupError, match="still loading"):
            await wait_ready(never, started)


def test_without_the_extra_the_next_step_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "NEEDED", ("no_such_package_anywhere",))
    with pytest.raises(SetupError, match=r"pip install 'anyclaude\[worker\]'"):
        worker.require_extra()
