"""Faults of what is recorded: full, missing and unwritable disks, many writers, kills, clocks. No request notices."""

import asyncio
import os
import re
import shutil
import signal
import stat
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from anyclaude.config.model import Traces
from anyclaude.trace.store import TraceStore
from tests.support.children import ANYCLAUDE, bare_environment, child
from tests.support.clients import Client, client_of
from tests.support.openai_upstream import OpenAIUpstream
from tests.support.small_disk import on_small_disk, possible
from tests.support.trace_writer import faults_of, kill_while_writing, records, write

ROWS = 12


# -- P4: the disk -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Disk:
    """before, between: what is done to `~/.anyclaude` before the launch, and once the first trace is there."""

    name: str
    before: Callable[[Path], object] = lambda folder: None
    between: Callable[[Path], object] | None = None
    kilobytes: int = 0
    loses: bool = True


def _in_the_way(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    (folder / "traces").write_text("in the way")


def _read_only(folder: Path) -> None:
    """For root too, who may write whatever the permissions say."""
    for name in ("traces", "proxies", "logs"):
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).symlink_to("/proc/1/nothing")


DISKS = (
    Disk("P4 full", kilobytes=64),
    Disk("P4 something is in the way", before=_in_the_way),
    Disk("P4 vanished", between=shutil.rmtree, loses=False),
    Disk("P4 not to be written any more", between=_read_only),
)


@asynccontextmanager
async def traced(home: Path, url: str, disk: Disk) -> AsyncIterator[tuple[Client, asyncio.subprocess.Process]]:
    command = [*ANYCLAUDE, "--mode=lmstudio", "--proxy-only"]
    if disk.kilobytes:
        (home / ".anyclaude").mkdir(mode=0o700)
        command = on_small_disk(command, home / ".anyclaude", disk.kilobytes)
    environ = bare_environment(home, LMSTUDIO_URL=url, ANYCLAUDE_DEBUG="3")
    async with child(command, environ, home) as started:
        assert started.stdout is not None
        address, token = [(await started.stdout.readline()).decode().strip().partition("=")[2] for _ in range(2)]
        async with client_of(address, token) as client:
            yield client, started


@pytest.mark.parametrize("disk", DISKS, ids=lambda disk: disk.name)
async def test_what_a_disk_does_costs_no_answer(disk: Disk, tmp_path: Path) -> None:
    if disk.kilobytes and not possible():
        pytest.skip("no disk of its own can be had here")
    disk.before(tmp_path / ".anyclaude")
    async with OpenAIUpstream() as upstream, traced(tmp_path, upstream.url, disk) as (client, started):
        for number in range(ROWS):
            assert (await client.events(system="word " * 5000))[-1]["type"] == "message_stop"
            if number == 0 and disk.between is not None:
                await _written(tmp_path)
                disk.between(tmp_path / ".anyclaude")
        while disk.loses and not await _lost(client):
            pass  # they are written by a thread of their own
        os.kill(started.pid, signal.SIGTERM)
        assert await started.communicate() == (b"", b"")
        assert started.returncode == 143


async def _written(home: Path) -> None:
    """A first trace: whoever takes the folder away meanwhile finds it made again under his hands."""
    async with asyncio.timeout(60):
        while not records(home / ".anyclaude"):  # noqa: ASYNC110 (files tell nobody)
            await asyncio.sleep(0.01)


async def _lost(client: Client) -> int:
    """Traces, as the proxy counts them."""
    async with client.get("/metrics") as answer:
        told = re.search(r"^anyclaude_traces_lost_total (\d+)", await answer.text(), re.M)
    assert told is not None
    return int(told[1])


# -- P5: many writers ---------------------------------------------------------------------------------------------


def test_64_writers_at_once(tmp_path: Path) -> None:
    """Every record that is there is whole; what is not there was counted."""
    traces = TraceStore(tmp_path, "lmstudio", Traces(), [])
    go = threading.Barrier(64)

    def tell(number: int) -> None:
        go.wait(30)
        for row in range(8):
            write(traces, number * 8 + row, "x" * 2000)

    threads = [threading.Thread(target=tell, args=(number,)) for number in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    traces.close(60)
    kept = records(tmp_path)
    assert faults_of(tmp_path) == []
    assert len(kept) + traces.lost == 64 * 8
    assert len({record["id"] for record in kept}) == len(kept)


def test_two_stores_that_prune_one_folder(tmp_path: Path) -> None:
    """Two proxies on one home, each past the bound: what one has removed is no failure of the other's."""
    limits = Traces(max_megabytes=1)
    stores = [TraceStore(tmp_path, "lmstudio", limits, []) for _ in range(2)]
    for number in range(60):
        for which, traces in enumerate(stores):
            write(traces, which * 1000 + number, "x" * 60_000)
    for traces in stores:
        traces.close(60)
    assert [traces.lost for traces in stores] == [0, 0]
    assert faults_of(tmp_path) == []
    assert sum(path.stat().st_size for path in (tmp_path / "traces").rglob("*.json")) < 2_200_000


# -- P6: kill -9 --------------------------------------------------------------------------------------------------


def test_a_kill_while_they_are_written(tmp_path: Path) -> None:
    """Also in a folder that was open to others before."""
    (tmp_path / "traces/lmstudio").mkdir(parents=True, mode=0o777)
    killed = kill_while_writing(tmp_path, after=3)
    assert killed.kept >= 3
    assert killed.faults == []
    assert killed.parts <= 1
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "traces").rglob("*") if path.is_dir()} == {0o700}


def test_the_next_launch_goes_on_behind_a_kill(tmp_path: Path) -> None:
    kill_while_writing(tmp_path, after=2)
    before = len(records(tmp_path))
    traces = TraceStore(tmp_path, "lmstudio", Traces(), [])
    write(traces, 99_999_999, "after")
    traces.close(60)
    assert len(records(tmp_path)) == before + 1


# -- P7: the clock on the wall ------------------------------------------------------------------------------------


@pytest.mark.parametrize("days", [1, -1])
def test_a_clock_that_jumps_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    traces = TraceStore(tmp_path, "lmstudio", Traces(), [])
    write(traces, 1, "before")
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + days * 86_400)
    write(traces, 2, "after")
    traces.close(60)
    assert {record["id"] for record in records(tmp_path)} == {"req_00000001", "req_00000002"}
    assert all(0 <= record["timings_ms"]["end"] < 60_000 for record in records(tmp_path))
