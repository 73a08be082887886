"""Real workers in processes of their own, to be killed, halted and started again at the same port.

On Linux they are forked from one process that has imported their libraries, which takes ten times as long as the rest
of a start; what runs from there on is `python -m mlx_worker` as it stands. Elsewhere each is started whole.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from mlx_worker.blas import preload_environment
from tests.support.ports import HeldPort

_LOADING = 60.0
_LOOK = 0.02
_FORKS = sys.platform == "linux"

_MOTHER = r"""
import json, os, runpy, signal, sys

def reap(number, frame):
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass

def run(command):
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ["MLX_WORKER_STARTED_AGAIN"] = "1"
    sys.argv = ["mlx_worker", *command]
    runpy.run_module("mlx_worker", run_name="__main__", alter_sys=True)
    os._exit(0)

def main():
    signal.signal(signal.SIGCHLD, reap)
    print("imported", flush=True)
    children = []
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            run(json.loads(line))
        children.append(pid)
        print("pid", pid, flush=True)
    for pid in children:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

if __name__ == "__main__":
    sys.path[:0] = [""]
    import fastapi, llguidance, mlx.core, mlx.nn, mlx_lm.generate, mlx_lm.models.qwen3, transformers, uvicorn
    main()
"""


class Mother:
    """Starts workers."""

    def __init__(self, home: Path) -> None:
        self._environ = {**os.environ, **preload_environment(), "HOME": str(home), "MLX_DISK_CACHE_BYTES": "0"}
        self._lock = threading.Lock()
        self._mother = self._spawn([sys.executable, "-c", _MOTHER], "imported\n") if _FORKS else None
        self._children: list[subprocess.Popen[str]] = []

    def start(self, port: int, model: Path) -> int:
        """The process id of a new worker that listens."""
        arguments = ["--port", str(port), "--model", str(model)]
        listening = f"mlx_worker listening on http://127.0.0.1:{port}\n"
        if self._mother is None:
            self._children.append(self._spawn([sys.executable, "-m", "mlx_worker", *arguments], listening))
            return self._children[-1].pid
        with self._lock:
            assert self._mother.stdin is not None
            assert self._mother.stdout is not None
            self._mother.stdin.write(json.dumps(arguments) + "\n")
            self._mother.stdin.flush()
            said = {self._mother.stdout.readline(), self._mother.stdout.readline()}
            assert listening in said, f"no worker at port {port}: {said}"
            return int(next(line for line in said if line.startswith("pid ")).split()[1])

    def wait(self, pid: int) -> None:
        """Return when a worker that was killed is gone. Raises AssertionError when it stays."""
        pause = threading.Event()
        for child in self._children:
            if child.pid == pid:
                child.wait(_LOADING)
                return
        for _ in range(int(_LOADING / _LOOK)):
            if not Path(f"/proc/{pid}").exists():
                return
            pause.wait(_LOOK)
        raise AssertionError(f"the worker {pid} outlives its kill")

    def close(self) -> None:
        for child in self._children:
            child.kill()
            child.communicate()
        if self._mother is not None:
            self._mother.communicate()

    def _spawn(self, command: list[str], ready: str) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=self._environ,
        )
        assert child.stdout is not None
        said = child.stdout.readline()
        assert said == ready, f"{command[1]} said {said!r}"
        return child


class WorkerNode:
    """One worker at one address, alive or not. `kill` is SIGKILL; a halted one hangs, its connections open."""

    def __init__(self, mother: Mother, model: Path) -> None:
        self._port = HeldPort()
        self.url = f"http://127.0.0.1:{self._port.number}"
        self._mother = mother
        self._model = model
        self._pid: int | None = None

    def start(self, model: Path | None = None) -> None:
        """Returns when its model is loaded. model: instead of its own."""
        self._pid = self._mother.start(self._port.number, model or self._model)
        pause = threading.Event()
        for _ in range(int(_LOADING / _LOOK)):
            if httpx.get(f"{self.url}/health", trust_env=False, timeout=_LOADING).status_code == 200:
                return
            pause.wait(_LOOK)
        raise AssertionError("the worker never got ready")

    def kill(self) -> None:
        """Returns when it is gone, and its port closed."""
        if self._pid is not None:
            self._signal(signal.SIGKILL)
            self._mother.wait(self._pid)
            self._pid = None

    def close(self) -> None:
        self.kill()
        self._port.close()

    def halt(self) -> None:
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self._pid, number)


@contextmanager
def worker_nodes(home: Path, model: Path, count: int) -> Iterator[list[WorkerNode]]:
    """So many workers that run. home: an empty folder that they take for their user's."""
    mother = Mother(home)
    nodes = [WorkerNode(mother, model) for _ in range(count)]
    try:
        for node in nodes:
            node.start()
        yield nodes
    finally:
        for node in nodes:
            node.close()
        mother.close()
