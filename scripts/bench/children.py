"""The processes of a bench run: started, asked for their address, watched for CPU time and memory, ended."""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Self

from failure import BenchError

HERE = Path(__file__).resolve().parent
_START_SECONDS = 30.0
_END_SECONDS = 5.0


class Child(AbstractContextManager["Child"]):
    """A child process, from its first line on stdout until the block is left."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self.name = name
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        try:
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env=environment,
            )
        except OSError as error:
            raise BenchError(f"{name} cannot be started: {error}") from error

    @property
    def pid(self) -> int:
        return self._child.pid

    def lines(self, count: int) -> list[str]:
        """Its first `count` lines on stdout. Raises BenchError with its last line on stderr."""
        assert self._child.stdout is not None
        too_late = threading.Timer(_START_SECONDS, self._child.kill)
        too_late.start()
        found = [self._child.stdout.readline().decode().strip() for _ in range(count)]
        too_late.cancel()
        if not all(found):
            raise BenchError(f"{self.name} did not start: {self._last_words()}")
        return found

    def cpu_seconds(self) -> float:
        """CPU time of all its threads so far, user and system together."""
        return cpu_seconds(self.pid)

    def rss_mb(self) -> float:
        """Resident memory in MB (10^6 bytes)."""
        return rss_bytes(self.pid) / 1e6

    def check_alive(self) -> None:
        """Raises BenchError when it has ended, with its last line on stderr."""
        if self._child.poll() is not None:
            raise BenchError(f"{self.name} has ended: {self._last_words()}")

    def _last_words(self) -> str:
        self._errors.seek(0)
        said = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return said[-1] if said else "it said nothing on stderr"

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._child.terminate()
        try:
            self._child.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        if self._child.stdout:
            self._child.stdout.close()
        self._errors.close()

    def __enter__(self) -> Self:
        return self


def python_child(name: str, script: str, *arguments: str) -> Child:
    return Child(name, [sys.executable, str(HERE / script), *arguments])


def listening_port(child: Child) -> int:
    """The port from its line `listening PORT`."""
    return int(child.lines(1)[0].rpartition(" ")[2])


def _linux_cpu_seconds(pid: int) -> float:
    # The process's own CPU clock, in nanoseconds: /proc/PID/stat counts in steps of 10 ms. The id is made as
    # clock_getcpuclockid(3) does on Linux.
    seconds: float = time.clock_gettime((~pid << 3) | 2)
    return seconds


def _linux_rss_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _ps_cpu_seconds(pid: int) -> float:
    seconds = 0.0
    for part in _ps(pid, "cputime").strip().split(":"):
        seconds = seconds * 60 + float(part)
    return seconds


def _ps_rss_bytes(pid: int) -> int:
    return int(_ps(pid, "rss")) * 1024


def _ps(pid: int, column: str) -> str:
    return subprocess.run(["ps", "-o", f"{column}=", "-p", str(pid)], capture_output=True, text=True, check=True).stdout


_ON_LINUX = sys.platform == "linux"
cpu_seconds: Callable[[int], float] = _linux_cpu_seconds if _ON_LINUX else _ps_cpu_seconds
rss_bytes: Callable[[int], int] = _linux_rss_bytes if _ON_LINUX else _ps_rss_bytes
