"""A worker over several ranks, all on this machine: started as whoever serves a big model starts it."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from tests.support.children import bare_environment

LIMIT = 50.0  # seconds, for a start that takes some five
HERE = {"ssh": "127.0.0.1", "ips": ["127.0.0.1"]}


@dataclass
class Group:
    supervisor: subprocess.Popen[str]
    client: httpx.Client

    def ranks(self) -> list[psutil.Process]:
        """In the order of their starts."""
        children = psutil.Process(self.supervisor.pid).children()
        return sorted(children, key=lambda child: (child.create_time(), child.pid))

    def until_ready(self) -> None:
        pause = threading.Event()
        for _ in range(int(LIMIT * 20)):
            assert self.supervisor.poll() is None, self.supervisor.returncode
            with suppress(httpx.TransportError):  # it is being started
                if self.client.get("/health").status_code == 200:
                    return
            pause.wait(0.05)
        raise AssertionError("the group never got ready")

    def ask(self, messages: list[dict[str, Any]], **fields: Any) -> Any:
        """A whole completion at temperature 0."""
        answer = self.client.post("/v1/chat/completions", json={"messages": messages, "temperature": 0, **fields})
        assert answer.status_code == 200, answer.text
        return answer.json()


def command(folder: Path, hostfile: Path, count: int, *flags: str) -> list[str]:
    hostfile.write_text(json.dumps([HERE] * count))
    return [
        sys.executable, "-m", "mlx_worker", "--port", "0", "--model", str(folder), "--hostfile", str(hostfile), *flags,
    ]  # fmt: skip


def group(folder: Path, home: Path, count: int, *flags: str, **environ: str) -> AbstractContextManager[Group]:
    """Ready when the block begins, and gone with all its ranks behind it."""
    return started(command(folder, home / "hosts.json", count, *flags), home, **environ)


@contextmanager
def started(command: list[str], home: Path, **environ: str) -> Iterator[Group]:
    with subprocess.Popen(
        [*command, "--exit-with-stdin"],
        env=bare_environment(home, **environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as supervisor:
        assert supervisor.stdout
        watchdog = threading.Timer(2 * LIMIT, os.kill, (supervisor.pid, signal.SIGTERM))
        watchdog.start()
        try:
            line = supervisor.stdout.readline()
            assert line.startswith("mlx_worker listening on "), line
            with httpx.Client(base_url=line.split()[-1], trust_env=False, timeout=LIMIT) as client:
                running = Group(supervisor, client)
                running.until_ready()
                watchdog.cancel()  # how long the tests of a file take, nobody knows
                yield running
        finally:
            watchdog.cancel()
            supervisor.terminate()
            supervisor.wait(LIMIT)
