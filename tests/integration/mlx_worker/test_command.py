"""`python -m mlx_worker` as whoever starts it sees it: its one line, its exit codes, and that it outlives nobody."""

import asyncio
import json
import logging
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import psutil
import pytest

from anyclaude.launch.worker import local_worker
from mlx_worker import blas
from mlx_worker.gguf import convert
from tests.support.children import bare_environment
from tests.support.tiny_gguf import write_gguf

COMMAND = (sys.executable, "-m", "mlx_worker")
LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d mlx_worker: (.+)\n")
LIMIT = 60.0  # seconds, for a start that takes two


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    (folder / "tiny").mkdir()
    convert(write_gguf(folder / "tiny.gguf"), folder / "tiny", np.float32)
    return folder / "tiny"


def ended(home: Path, *flags: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *flags],
        env=bare_environment(home, **environ),
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )


@contextmanager
def worker(home: Path, model: Path, **environ: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A worker on a free port that has said its line, and the address in it."""
    with subprocess.Popen(
        [*COMMAND, "--port", "0", "--model", str(model), "--exit-with-stdin"],
        env=bare_environment(home, **environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as started:
        try:
            assert started.stdout
            line = started.stdout.readline()
            assert line.startswith("mlx_worker listening on http://127.0.0.1:"), started.communicate(timeout=LIMIT)
            yield started, line.removesuffix("\n").rpartition(" ")[2]
        finally:
            started.kill()


def test_the_port_accepts_once_the_line_is_said(tmp_path: Path, model: Path) -> None:
    with worker(tmp_path, model) as (_, address):
        host, port = address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=LIMIT) as client:
            client.sendall(b"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            assert client.recv(15) == b"HTTP/1.1 200 OK"


def test_the_fast_blas_is_in_use_where_there_is_one(tmp_path: Path, model: Path) -> None:
    with worker(tmp_path, model) as (_, address):
        request = urllib.request.Request(f"{address}/health")
        try:
            with urllib.request.urlopen(request, timeout=LIMIT) as answer:
                body = answer.read()
        except urllib.error.HTTPError as still_loading:
            body = still_loading.read()
        assert json.loads(body)["blas"]["fast"] == (sys.platform == "darwin" or blas.find_library() is not None)


@pytest.mark.skipif(sys.platform != "linux", reason="there is no glibc elsewhere")
def test_freed_memory_does_not_pile_up_in_an_arena_for_each_thread(tmp_path: Path, model: Path) -> None:
    with worker(tmp_path, model) as (started, _):
        assert psutil.Process(started.pid).environ()["MALLOC_ARENA_MAX"] == "2"


def test_it_ends_when_its_parent_is_gone(tmp_path: Path, model: Path) -> None:
    """The system closes a killed parent's end of the pipe; here the test does."""
    with worker(tmp_path, model) as (started, _):
        assert started.stdin
        started.stdin.close()
        assert started.wait(LIMIT) == 128 + signal.SIGTERM


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_quietly(tmp_path: Path, model: Path, number: signal.Signals) -> None:
    with worker(tmp_path, model) as (started, _):
        started.send_signal(number)
        assert started.wait(LIMIT) == 128 + number
        assert started.stdout
        assert started.stderr
        assert started.stdout.read() == ""
        assert all(LINE.match(line) for line in started.stderr), "a traceback, or somebody else's words"


def test_whoever_starts_it_sees_how_it_is(tmp_path: Path, model: Path) -> None:
    """Loading, ready, a refusal with its reason, draining, the end; and nothing that is secret."""
    with worker(tmp_path, model, MLX_WORKER_TOKEN="a-secret-of-twenty-signs") as (started, address):
        assert started.stderr
        until_said(started.stderr, f"loading {model}")
        until_said(started.stderr, r"ready: tiny, \d+ tokens of context, takes .*tools, .* loaded in [0-9.]+ s")
        for _ in range(3):
            refused(address, "Bearer another-secret")
        until_said(started.stderr, r"POST /v1/chat/completions: refused with 401: send the worker's token")
        started.terminate()
        rest = started.stderr.read()
        assert "draining: no new requests are taken, 0 are in work" in rest
        assert "the engine has ended: 0 requests finished, 0 failed, 0 cancelled" in rest
        assert "refused" not in rest  # one line for all three
        assert "secret" not in rest


def test_its_lines_can_be_turned_off(tmp_path: Path, model: Path) -> None:
    with worker(tmp_path, model, MLX_LOG_LEVEL="WARNING") as (started, _):
        started.terminate()
        started.wait(LIMIT)
        assert started.stderr
        assert "mlx_worker: " not in started.stderr.read()


async def test_anyclaude_keeps_its_lines_in_the_log(
    tmp_path: Path, model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Those of a worker that is its child; its address too."""
    caplog.set_level(logging.INFO, "anyclaude")
    async with local_worker(str(model), bare_environment(tmp_path), Unseen()) as started:
        async with asyncio.timeout(LIMIT):
            while not any(": ready: tiny, " in line for line in caplog.messages):  # noqa: ASYNC110 (the log is a list)
                await asyncio.sleep(0.05)
        assert f"worker: mlx_worker listening on {started.node.url}" in caplog.messages
    assert any(": draining: " in line or ": the engine has ended: " in line for line in caplog.messages)


class Unseen:
    def progress(self, text: str) -> None:
        pass


def until_said(lines: IO[str], words: str) -> None:
    seen: list[str] = []
    for line in lines:
        seen.append(line)
        found = LINE.match(line)
        if found and re.match(words, found[1]):
            return
    raise AssertionError(f"it never said {words!r}, but {seen}")


def refused(address: str, authorization: str) -> None:
    headers = {"Authorization": authorization, "Content-Type": "application/json"}
    request = urllib.request.Request(f"{address}/v1/chat/completions", b"{}", headers)
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(request, timeout=LIMIT)


def test_fetch_only_prints_the_folder(tmp_path: Path, model: Path) -> None:
    done = ended(tmp_path, "--fetch-only", "--model", str(model))
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{model}\n", "")


def test_a_flag_goes_before_the_environment(tmp_path: Path, model: Path) -> None:
    assert ended(tmp_path, "--fetch-only", "--model", str(model), MLX_MODEL_PATH="/nowhere").returncode == 0
    assert ended(tmp_path, "--fetch-only", MLX_MODEL_PATH="/nowhere").returncode == 2


def test_the_version_is_told(tmp_path: Path) -> None:
    done = ended(tmp_path, "--version")
    assert done.returncode == 0
    assert done.stdout.startswith("mlx_worker ")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--model", "/no/such/folder"), "there is no model folder /no/such/folder"),
        (("--host", "0.0.0.0"), "set MLX_WORKER_TOKEN"),
        (("--host", "no.such.host.invalid", "--fetch-only"), "set MLX_WORKER_TOKEN"),
        (("--port", "70000"), "MLX_PORT is not usable"),
    ],
)
def test_what_cannot_work_is_one_sentence_and_exit_code_2(tmp_path: Path, flags: tuple[str, ...], words: str) -> None:
    done = ended(tmp_path, *flags)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("mlx_worker: ")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_taken_port_is_told_before_the_model_is_sought(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        done = ended(tmp_path, "--port", port, "--model", "/no/such/folder")
    assert done.returncode == 2
    assert done.stderr == (
        f"mlx_worker: port {port} on 127.0.0.1 is taken: end what listens there, or choose another port with --port\n"
    )
