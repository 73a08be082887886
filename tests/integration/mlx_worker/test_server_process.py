"""`uvicorn mlx_worker.server:app` as a process of its own: settings from the environment, SIGTERM, bad settings."""

import json
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from mlx_worker.model_folder import fault

DEADLINE = 60
COMMAND = [sys.executable, "-m", "uvicorn", "mlx_worker.server:app", "--port", "0"]
HI = [{"role": "user", "content": "hi"}]


@contextmanager
def server_process(
    folder: Path, environ: dict[str, str], command: Sequence[str] = COMMAND
) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    assert fault(folder) is None
    environ = {**environ, "MLX_MODEL_PATH": str(folder)}
    with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            found = next(m for line in process.stderr if (m := re.search(r"running on (http://\S+)", line)))
            with httpx.Client(
                base_url=found[1].replace("0.0.0.0", "127.0.0.1"), trust_env=False, timeout=DEADLINE
            ) as client:
                yield process, client
        finally:
            process.kill()


def until_ready(client: httpx.Client) -> dict[str, object]:
    pause = threading.Event()
    for _ in range(DEADLINE * 20):
        answer = client.get("/health")
        if answer.status_code == 200:
            return dict(answer.json())
        assert answer.json()["state"] == "loading", answer.text
        pause.wait(0.05)
    raise AssertionError("the worker never got ready")


def test_it_serves_and_sigterm_lets_an_answer_finish(attention_model: Path) -> None:
    with server_process(attention_model, {}) as (process, client):
        assert until_ready(client)["model"] == "attention"
        body = {"messages": HI, "stream": True, "temperature": 1, "seed": 1, "max_tokens": 60}
        with client.stream("POST", "/v1/chat/completions", json=body) as answer:
            lines = answer.iter_lines()
            next(lines)
            process.send_signal(signal.SIGTERM)
            assert [line for line in lines if line][-1] == "data: [DONE]"
        assert process.wait(DEADLINE) == -signal.SIGTERM


def test_a_stream_that_is_cut_by_the_end_says_so(attention_model: Path) -> None:
    environ = {"MLX_DRAIN_SECONDS": "0.2"}
    with server_process(attention_model, environ) as (process, client):
        until_ready(client)
        body = {"messages": HI, "stream": True, "temperature": 1, "seed": 1, "max_tokens": 30_000}
        with client.stream("POST", "/v1/chat/completions", json=body) as answer:
            lines = answer.iter_lines()
            next(line for line in lines if line.startswith("data: "))
            process.send_signal(signal.SIGTERM)
            *_, last = [line for line in lines if line.startswith("data: ")]
        error = json.loads(last.removeprefix("data: "))["error"]
        assert (error["code"], error["http_status"]) == ("not_ready", 503)
        assert process.wait(DEADLINE) == -signal.SIGTERM


def test_a_model_that_cannot_be_loaded_ends_the_program(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "no_such_model"}')
    (tmp_path / "tokenizer.json").write_text("{}")
    (tmp_path / "model.safetensors").touch()
    done = subprocess.run(
        COMMAND, env={"MLX_MODEL_PATH": str(tmp_path)}, capture_output=True, text=True, timeout=DEADLINE
    )
    assert done.returncode == 2
    assert "exit code 2" in done.stderr


DYING = """
import sys
from mlx_worker import mlx_engine, server
import uvicorn

def step(self):
    raise RuntimeError("the device is lost")

mlx_engine.MlxRunner.step = step
server.LAST_SECONDS = 1.0
uvicorn.run(server.app, port=0)
"""


def test_an_engine_that_dies_ends_the_program(attention_model: Path) -> None:
    """Three failures in a row: each is told to its client, and then a supervisor may start the worker again."""
    with server_process(attention_model, {}, [sys.executable, "-c", DYING]) as (process, client):
        until_ready(client)
        body = {"messages": HI, "max_tokens": 3}
        statuses = [client.post("/v1/chat/completions", json=body).status_code for _ in range(3)]
        assert statuses == [500, 500, 500]
        assert process.wait(DEADLINE) == 70


def test_bound_to_all_addresses_without_a_token_only_loopback_is_served(attention_model: Path) -> None:
    """Plain uvicorn knows nothing of our rules; the application holds them."""
    command = [*COMMAND, "--host", "0.0.0.0"]
    with server_process(attention_model, {}, command) as (_, client):
        until_ready(client)
        outside = own_address()
        if outside is None:
            pytest.skip("this machine has no address but loopback")
        refused = client.get(f"http://{outside}:{client.base_url.port}/health")
        assert refused.status_code == 403
        assert "MLX_WORKER_TOKEN" in refused.json()["error"]["message"]


def own_address() -> str | None:
    """An address of this machine that is not loopback. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # TEST-NET-1 (RFC 5737)
        except OSError:
            return None
        address = str(probe.getsockname()[0])
    return None if address.startswith("127.") else address


def test_a_bad_setting_is_one_sentence_and_no_traceback() -> None:
    done = subprocess.run(COMMAND, env={"MLX_MAX_BATCH": "many"}, capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 2
    assert done.stderr.strip().startswith("mlx_worker: MLX_MAX_BATCH is not usable:")
    assert "Traceback" not in done.stderr


def test_with_a_token_everything_needs_it(attention_model: Path) -> None:
    with server_process(attention_model, {"MLX_WORKER_TOKEN": "secret"}) as (_, client):
        assert client.get("/v1/models").status_code == 401
        assert set(client.get("/health").json()) == {"status", "state"}
        client.headers["Authorization"] = "Bearer secret"
        until_ready(client)
        answer = client.post("/v1/chat/completions", json={"messages": HI, "max_tokens": 2})
        assert answer.status_code == 200
