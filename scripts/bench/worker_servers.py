"""The servers that are compared, each a process of its own on the same model folder, and the client that asks them."""

import http.client
import json
import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from children import HERE, Child
from failure import BenchError

from mlx_worker.blas import preload_environment

_START = 300.0  # seconds; a machine may be busy
_ANSWER = 900.0
RIVAL = "mlx_lm.server"
OURS = "mlx_worker"
TOLD = "mlx_worker that is told its answers"
_PROGRAMS = {OURS: ["-m", OURS], RIVAL: ["-m", RIVAL], TOLD: [str(HERE / "told_worker.py")]}
_NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Told:
    """One answer. Times in seconds since the request was sent; `first` is the first event that is not a comment.

    cpu: seconds that the server computed meanwhile, which other programs on the machine change little.
    """

    first: float
    took: float
    prompt: int
    cached: int
    completion: int
    message: dict[str, Any]
    cpu: float

    @property
    def computed(self) -> int:
        return self.prompt - self.cached


@dataclass(frozen=True, slots=True)
class Server:
    name: str
    child: Child
    port: int

    def ask(self, messages: Sequence[Any], **fields: Any) -> Told:
        """A streamed answer at temperature 0, read to its end. Raises BenchError."""
        began, cpu = time.perf_counter(), self.child.cpu_seconds()
        events: list[tuple[float, dict[str, Any]]] = []
        with self.asked(messages, **fields) as answer:
            lines = (line for line in answer if line.startswith(b"data: {"))
            events.extend((time.perf_counter() - began, json.loads(line[6:])) for line in lines)
        if not events or "error" in events[-1][1]:
            raise BenchError(f"{self.name} gave no whole answer: {events[-1:]}")
        return _told(events, self.child.cpu_seconds() - cpu)

    @contextmanager
    def asked(self, messages: Sequence[Any], **fields: Any) -> Iterator[http.client.HTTPResponse]:
        """The answer as it comes; leaving the block closes the connection. Raises BenchError."""
        body = {
            "model": "default_model" if self.name == RIVAL else "current-model",
            "messages": list(messages),
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": 0,
            **fields,
        }
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=_ANSWER)) as link:
            try:
                link.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
                answer = link.getresponse()
                if answer.status != 200:
                    said = answer.read(300).decode("utf-8", "replace")
                    raise BenchError(f"{self.name} answers {answer.status}: {said}")
                yield answer
            except (OSError, http.client.HTTPException) as error:
                raise BenchError(f"{self.name} does not answer: {type(error).__name__}: {error}") from error

    def alive(self) -> bool:
        """Whether it answers a small request."""
        try:
            self.ask([{"role": "user", "content": "Are you there?"}], max_tokens=2)
        except BenchError:
            return False
        return True


def start(name: str, model: Path, stack: ExitStack, settings: Mapping[str, str] | None = None) -> Server:
    """A server that is ready; `settings` go into its environment. Raises BenchError."""
    port = _free_port()
    home = stack.enter_context(tempfile.TemporaryDirectory(prefix="worker-bench-"))
    fast = {} if name == OURS else preload_environment()  # ours sees to it by itself
    environment = {**os.environ, **fast, "HF_HOME": home, "HF_HUB_OFFLINE": "1", **(settings or {})}
    command = [sys.executable, *_PROGRAMS[name], "--model", str(model), "--port", str(port)]
    server = Server(name, stack.enter_context(Child(name, command, environment)), port)
    until = time.monotonic() + _START
    while time.monotonic() < until:
        if _is_ready(port):
            return server
        server.child.check_alive()
        time.sleep(0.1)
    raise BenchError(f"{name} was not ready after {_START:.0f} s")


def _is_ready(port: int) -> bool:
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as link:
            link.request("GET", "/health")
            return link.getresponse().status == 200
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _told(events: list[tuple[float, dict[str, Any]]], cpu: float) -> Told:
    message: dict[str, Any] = {"content": "", "tool_calls": []}
    usage: dict[str, Any] = {}
    for _, event in events:
        usage = event.get("usage") or usage
        for choice in event.get("choices") or ():
            _add(message, choice["delta"])
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    return Told(events[0][0], events[-1][0], usage["prompt_tokens"], cached, usage["completion_tokens"], message, cpu)


def _add(message: dict[str, Any], delta: dict[str, Any]) -> None:
    message["content"] += delta.get("content") or ""
    for call in delta.get("tool_calls") or ():
        if call.get("function", {}).get("name"):
            message["tool_calls"].append({"name": call["function"]["name"], "arguments": ""})
        message["tool_calls"][-1]["arguments"] += call.get("function", {}).get("arguments") or ""
