"""`uvicorn mlx_worker.server:app` as a process of its own: settings from the environment, SIGTERM, bad settings."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from mlx_worker.model_folder import fault

DEADLINE = 60
COMMAND = [sys.executable, "-m", "uvicorn", "mlx_worker.server:app", "--port", "0"]
HI = [{"role": "user", "content": "hi"}]


@contextmanager
def server_process(folder: Path, environ: dict[str, str]) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    assert fault(folder) is None
    environ = {**environ, "MLX_MODEL_PATH": str(folder)}
    with subprocess.Popen(COMMAND, env=environ, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            found = next(m for line in process.stderr if (m := re.search(r"running on (http://\S+)", line)))
            with httpx.Client(base_url=found[1], trust_env=False, timeout=DEADLINE) as client:
                yield process, client
        finally:
            process.kill()


def until_ready(client: httpx.Client) -> dict[str, object]:
    for _ in range(DEADLINE * 20):
        answer = client.get("/health")
        if answer.status_code == 200:
            return dict(answer.json())
        assert answer.json()["state"] == "loading", answer.text
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


def test_a_bad_setting_is_one_sentence_and_no_traceback() -> None:
    done = subprocess.run(COMMAND, env={"MLX_MAX_BATCH": "many"}, capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 1
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
