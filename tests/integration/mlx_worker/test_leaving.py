"""Requests that end before their answer does: clients that leave, full queues, prompts that do not fit."""

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mlx_worker.engine import EngineStatus
from tests.support.filler import filler
from tests.support.worker import DEADLINE, Worker, real_worker

CHUNK = 64
LONG = [{"role": "user", "content": filler(3000, "long")}]
HI = [{"role": "user", "content": "hi"}]


def idle(status: EngineStatus) -> bool:
    return status.active == status.waiting == 0


@contextmanager
def client_of(worker: Worker, messages: Any, **fields: Any) -> Iterator[Iterator[str]]:
    """The lines of a stream. Leaving the block closes the connection, wherever the answer is."""
    body = {"messages": messages, "stream": True, "temperature": 0, **fields}
    with worker.client() as client, client.stream("POST", "/v1/chat/completions", json=body) as answer:
        yield (line for line in answer.iter_lines() if line)


def start(worker: Worker, messages: Any, **fields: Any) -> "Future[Any]":
    """A whole completion, asked for while the test goes on."""
    pool = ThreadPoolExecutor(1)
    asked = pool.submit(worker.ask, messages, **fields)
    pool.shutdown(wait=False)
    worker.until(lambda status: status.active + status.waiting >= 2)
    return asked


def lines_until(lines: Iterator[str], wanted: str) -> str:
    return next(line for line in lines if wanted in line)


@pytest.fixture
def worker(attention_model: Path) -> Iterator[Worker]:
    with real_worker(attention_model, max_batch=2, max_queue=1) as worker:
        yield worker


def test_a_client_that_leaves_during_prefill(worker: Worker) -> None:
    worker.engine.chunks = threading.Semaphore(2)
    with client_of(worker, LONG) as lines:
        lines_until(lines, f": prefill {2 * CHUNK}/")
    assert worker.engine.cancelled.wait(DEADLINE)
    worker.engine.chunks.release(1)
    status = worker.until(idle)
    assert status.cancelled == 1
    worker.engine.chunks.release(1000)
    retried = worker.ask(LONG, max_tokens=2)["usage"]
    assert retried["prompt_tokens_details"]["cached_tokens"] in (2 * CHUNK, 3 * CHUNK)


def test_a_client_that_leaves_while_its_answer_is_written(worker: Worker) -> None:
    worker.engine.steps = threading.Semaphore(5)
    with client_of(worker, LONG, max_tokens=500) as lines:
        lines_until(lines, ": prefill")
        worker.until(lambda status: worker.engine.steps_taken == 5)
    assert worker.engine.cancelled.wait(DEADLINE)
    worker.engine.steps.release(1)
    assert worker.until(idle).cancelled == 1
    worker.engine.steps.release(1000)
    retried = worker.ask(LONG, max_tokens=2)["usage"]
    assert retried["prompt_tokens_details"]["cached_tokens"] == retried["prompt_tokens"] - 1


@pytest.mark.parametrize("moment", ["prefill", "decode"])
def test_a_client_that_does_not_stream_and_leaves(worker: Worker, moment: str) -> None:
    worker.engine.chunks = threading.Semaphore(0 if moment == "prefill" else 1000)
    worker.engine.steps = threading.Semaphore(1)
    body = json.dumps({"messages": LONG, "max_tokens": 500}).encode()
    host, port = worker.url.removeprefix("http://").split(":")
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
    with socket.create_connection((host, int(port)), DEADLINE) as client:
        client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        worker.until(lambda status: status.active == 1 and worker.engine.steps_taken == (moment == "decode"))
    assert worker.engine.cancelled.wait(DEADLINE)
    worker.engine.chunks.release(1000)
    worker.engine.steps.release(1)
    assert worker.until(idle).cancelled == 1


def test_one_that_leaves_does_not_disturb_the_other(worker: Worker) -> None:
    alone = worker.ask(HI, max_tokens=60)["choices"][0]["message"]["content"]
    worker.engine.cancelled.clear()
    worker.engine.chunks = threading.Semaphore(1)
    with client_of(worker, LONG) as leaving:
        lines_until(leaving, f": prefill {CHUNK}/")
        staying = start(worker, HI, max_tokens=60)
    assert worker.engine.cancelled.wait(DEADLINE)
    worker.engine.chunks.release(1000)
    assert staying.result(DEADLINE)["choices"][0]["message"]["content"] == alone


def test_a_full_queue_is_a_429_before_the_stream(worker: Worker) -> None:
    """One is computed, one waits, and there is no room for a third."""
    worker.engine.chunks = threading.Semaphore(0)
    with client_of(worker, HI, max_tokens=5) as one:
        lines_until(one, ": prefill")
        with client_of(worker, HI, max_tokens=5) as two, worker.client() as client:
            assert worker.engine.status().waiting == 1
            refused = client.post("/v1/chat/completions", json={"messages": HI, "stream": True})
            assert refused.status_code == 429
            assert int(refused.headers["retry-after"]) > 0
            worker.engine.chunks.release(1000)
            assert lines_until(two, "data: [DONE]")


def test_a_request_that_leaves_the_queue_makes_room(worker: Worker) -> None:
    worker.engine.chunks = threading.Semaphore(0)
    with client_of(worker, HI, max_tokens=5) as one:
        lines_until(one, ": prefill")
        with client_of(worker, HI, max_tokens=5):
            assert worker.engine.status().waiting == 1
        assert worker.engine.cancelled.wait(DEADLINE)
        worker.engine.chunks.release(1000)
        assert lines_until(one, "data: [DONE]")
    status = worker.until(idle)
    assert (status.finished, status.cancelled) == (1, 1)


def test_a_short_request_overtakes_a_long_prefill(worker: Worker) -> None:
    worker.engine.chunks = threading.Semaphore(1)
    with client_of(worker, LONG, max_tokens=2) as long, client_of(worker, HI, max_tokens=2) as short:
        lines_until(long, f": prefill {CHUNK}/")
        worker.until(lambda status: status.active + status.waiting == 2)
        worker.engine.chunks.release(4)
        assert lines_until(short, "data: [DONE]")
        assert worker.engine.status().queued_tokens > 0
        worker.engine.chunks.release(1000)
        assert lines_until(long, "data: [DONE]")


def test_a_prompt_over_the_context(small_context_model: Path) -> None:
    with real_worker(small_context_model) as worker, worker.client() as client:
        refused = client.post("/v1/chat/completions", json={"messages": LONG, "stream": True})
        assert refused.status_code == 400
        error = refused.json()["error"]
        assert error["type"] == "exceed_context_size_error"
        assert error["n_prompt_tokens"] > error["n_ctx"] == 100
        assert f"({error['n_prompt_tokens']} tokens)" in error["message"]


def test_an_answer_fills_the_context_and_no_more(small_context_model: Path) -> None:
    with real_worker(small_context_model) as worker:
        answer = worker.ask(HI, max_tokens=10_000)
        assert answer["choices"][0]["finish_reason"] == "length"
        assert answer["usage"]["total_tokens"] == 100


def test_a_failing_batch_fails_its_requests_and_the_next_one_works(worker: Worker) -> None:
    generator = worker.engine._loop.runner._generator  # type: ignore[union-attr]
    generator.next = lambda: 1 / 0
    with worker.client() as client:
        failed = client.post("/v1/chat/completions", json={"messages": HI})
    assert failed.status_code == 500
    assert "ZeroDivisionError" in failed.json()["error"]["message"]
    assert worker.ask(HI, max_tokens=3)["usage"]["completion_tokens"] == 3
    assert worker.engine.status().consecutive_failures == 0


def test_a_folder_that_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "qwen3"}')
    with pytest.raises(AssertionError, match="cannot be loaded"), real_worker(tmp_path):
        pass
