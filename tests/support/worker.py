"""A worker in this process: the real application on a real socket, so that tests can see the engine behind it."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from mlx_worker.app import build_app
from mlx_worker.blas import Blas
from mlx_worker.connections import Connection
from mlx_worker.engine import Engine, EngineStatus
from mlx_worker.engine_thread import EngineThread
from mlx_worker.jobs import Limits
from mlx_worker.mlx_engine import MlxRunner
from mlx_worker.mlx_solo import load_as_set
from mlx_worker.settings import Settings

DEADLINE = 30.0
PATIENT = 60.0
"""Seconds after which an engine that stands still counts as hung: here tests make it stand still."""


class WatchedEngine(EngineThread):
    """Says when a request is cancelled. `chunks` and `steps`, where set, hold one permit for each computation.

    While it waits for a permit the whole engine stands still, as it does during a long computation.
    """

    def __init__(self, load: Callable[[], MlxRunner], limits: Limits) -> None:
        super().__init__(lambda: self._gated(load()), limits)
        self.cancelled = threading.Event()
        self.chunks: threading.Semaphore | None = None
        self.steps: threading.Semaphore | None = None
        self.steps_taken = 0

    def cancel(self, ticket: object) -> None:
        super().cancel(ticket)
        self.cancelled.set()

    def _gated(self, runner: MlxRunner) -> MlxRunner:
        prefill, step = runner.prefill, runner.step

        def gated_prefill(kv: Any, tokens: Any) -> None:
            _pass(self.chunks)
            prefill(kv, tokens)

        def gated_step() -> Any:
            _pass(self.steps)
            self.steps_taken += 1
            return step()

        runner.prefill = gated_prefill  # type: ignore[method-assign]
        runner.step = gated_step  # type: ignore[method-assign]
        return runner


def _pass(gate: threading.Semaphore | None) -> None:
    if gate is not None and not gate.acquire(timeout=DEADLINE):
        raise TimeoutError("a test never opened the gate")


@dataclass(frozen=True)
class Worker:
    url: str
    engine: WatchedEngine

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, trust_env=False, timeout=DEADLINE)

    def ask(self, messages: Any, **fields: Any) -> Any:
        """A whole completion at temperature 0."""
        body = {"messages": messages, "temperature": 0, **fields}
        with self.client() as client:
            answer = client.post("/v1/chat/completions", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def until(self, reached: Callable[[EngineStatus], bool]) -> EngineStatus:
        """Look until the engine is there. Raises AssertionError when it does not get there."""
        pause = threading.Event()
        for _ in range(int(DEADLINE * 100)):
            status = self.engine.status()
            if reached(status):
                return status
            pause.wait(0.01)
        raise AssertionError(f"never reached: {self.engine.status()}")


@contextmanager
def real_worker(folder: Path, *, settings: Settings | None = None, **limits: Any) -> Iterator[Worker]:
    """The real engine on a model folder, ready when the block begins."""
    limited = Limits(**{"prefill_chunk": 64, "still_seconds": PATIENT} | limits)
    engine = WatchedEngine(lambda: load_as_set(folder, limited), limited)
    with serving(engine, settings) as url:
        worker = Worker(url, engine)
        worker.until(lambda status: status.state != "loading")
        assert engine.status().state == "ready", engine.status().reason
        yield worker


@contextmanager
def serving(
    engine: Engine, settings: Settings | None = None, connection: type[Connection] = Connection
) -> Iterator[str]:
    """The application around any engine, on a free port, which its settings say too."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        settings = (settings or Settings()).model_copy(update={"port": listener.getsockname()[1]})
        app = build_app(engine, settings, Blas("test BLAS", fast=True))
        server = uvicorn.Server(
            uvicorn.Config(app, http=connection, log_level="error", access_log=False, lifespan="on")
        )
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
        thread.start()
        pause = threading.Event()
        while not server.started and thread.is_alive():
            pause.wait(0.005)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(DEADLINE)
            assert not thread.is_alive()
