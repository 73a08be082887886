"""All ranks of one start, as child programs: seated, listened to, and ended together.

A rank on another machine is an ssh, which carries its stdin and stdout. The first rank says where the others are to
come, so they get their seats after that.
"""

import os
import queue
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from mlx_worker import blas
from mlx_worker.distributed.hostfile import Host, Hostfile, HostfileError
from mlx_worker.distributed.orders import CANNOT_SERVE, CONTROL, END, LISTENING, LOST, PULSE, Seat

PROGRAM = ("-P", "-m", "mlx_worker.distributed.rank")
SSH = ("ssh", "-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "LogLevel=ERROR")
ALIVE = ("-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=3")
SECRETS = ("MLX_WORKER_TOKEN",)
LAST_WORDS_SECONDS = 8.0
"""For the first rank, which tells its clients and then ends by itself."""
CLOSING_SECONDS = 3.0
SILENT_SECONDS = 120.0
"""The first rank's own watchdog is faster, unless it hangs itself."""


@dataclass(frozen=True, slots=True)
class End:
    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class News:
    """A line that a rank said, or its exit code."""

    rank: int
    line: str = ""
    code: int | None = None


class Rank:
    """One child. It ends when its stdin is closed, at the latest when it is killed."""

    def __init__(self, rank: int, host: Host, variables: Mapping[str, str], news: "queue.SimpleQueue[News]") -> None:
        """`variables`: of the hostfile, for the loader and mlx. Raises HostfileError where there is no ssh."""
        self.rank = rank
        self._news = news
        command = command_of(host, variables)
        try:
            self._child = subprocess.Popen(  # noqa: S603 (our own program, or ssh)
                command,
                env=_environment(variables),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,  # a terminal's Ctrl-C is for the supervisor, which then ends it in order
            )
        except OSError as error:
            raise HostfileError(f"{command[0]} cannot be started for {host.ssh} ({error.strerror})") from error
        threading.Thread(target=self._listen, name=f"rank-{rank}", daemon=True).start()

    @property
    def running(self) -> bool:
        return self._child.poll() is None

    def say(self, line: str) -> None:
        assert self._child.stdin
        with suppress(OSError):  # it is gone, which is news of its own
            self._child.stdin.write(f"{line}\n".encode())
            self._child.stdin.flush()

    def close(self) -> None:
        assert self._child.stdin
        with suppress(OSError):
            self._child.stdin.close()

    def kill(self, deadline: float) -> None:
        """After `deadline`, of the monotonic clock, with all that it started."""
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(max(deadline - time.monotonic(), 0))
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()

    def _listen(self) -> None:
        assert self._child.stdout
        with self._child.stdout as lines:
            for line in lines:
                self._news.put(News(self.rank, line.decode(errors="replace").rstrip("\n")))
        self._news.put(News(self.rank, code=self._child.wait()))


def command_of(host: Host, variables: Mapping[str, str]) -> list[str]:
    """On another machine the same Python at the same path."""
    if host.here:
        return [sys.executable, *PROGRAM]
    settings = [shlex.quote(f"{name}={value}") for name, value in variables.items()]
    return [*SSH, *ALIVE, host.ssh, " ".join(["exec", "env", *settings, shlex.quote(sys.executable), *PROGRAM])]


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in SECRETS}
    return {**kept, **blas.preload_environment(os.environ), **variables}


class Group:
    """`seats` are taken in the order of ranks. `grace`: seconds in which the first rank may end in order."""

    def __init__(self, hostfile: Hostfile, seats: Sequence[Seat], grace: float) -> None:
        self._hostfile, self._seats, self._grace = hostfile, seats, grace
        self._news: queue.SimpleQueue[News] = queue.SimpleQueue()
        self._ranks: list[Rank] = []
        self._heard: float | None = None
        self.address: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """However it is left, no rank stays behind."""
        try:
            if error is not None and not isinstance(error, Exception):  # a signal
                self._leave()
        finally:
            self._end()

    def run(self) -> End:
        """Until a rank ends. An exception that interrupts it lets the first rank finish its answers."""
        for rank, host in enumerate(self._hostfile.hosts):
            self._ranks.append(Rank(rank, host, self._hostfile.variables, self._news))
        self._ranks[0].say(self._seats[0].model_dump_json())
        while (end := self._hear()) is None:
            pass
        return end

    def _hear(self) -> End | None:
        try:
            news = self._news.get(timeout=1.0)
        except queue.Empty:
            silent = self._heard is not None and time.monotonic() - self._heard > SILENT_SECONDS
            return End(LOST, f"rank 0 was silent for {SILENT_SECONDS:.0f} s") if silent else None
        if news.code is not None:
            return self._lost(news)
        if news.rank == 0:
            self._take(news.line)
        return None

    def _take(self, line: str) -> None:
        if line == PULSE:
            self._heard = time.monotonic()
        elif line.startswith(CONTROL):
            self._seat_followers(int(line.removeprefix(CONTROL)))
        else:
            with suppress(OSError):  # nobody reads it: no reason not to serve
                print(line, flush=True)  # noqa: T201
            if line.startswith(LISTENING):
                self.address = {"MLX_PORT": line.rpartition(":")[2]}

    def _seat_followers(self, port: int) -> None:
        for rank, seat in zip(self._ranks[1:], self._seats[1:], strict=True):
            rank.say(seat.model_copy(update={"leader": (seat.host, port)}).model_dump_json())

    def _lost(self, first: News) -> End:
        """What the end of one rank means. The first rank's reason counts most: it is the worker."""
        codes = {first.rank: first.code}
        deadline = time.monotonic() + LAST_WORDS_SECONDS
        while 0 not in codes and CANNOT_SERVE not in codes.values() and (left := deadline - time.monotonic()) > 0:
            with suppress(queue.Empty):
                news = self._news.get(timeout=left)
                if news.code is not None:
                    codes[news.rank] = news.code
        code = CANNOT_SERVE if CANNOT_SERVE in codes.values() else codes.get(0)
        return End(code if code in (0, CANNOT_SERVE) else LOST, f"rank {first.rank} ended with exit code {first.code}")

    def _leave(self) -> None:
        for rank in self._ranks[:1]:
            rank.say(END)
        deadline = time.monotonic() + self._grace
        while any(rank.running for rank in self._ranks[:1]) and (left := deadline - time.monotonic()) > 0:
            with suppress(queue.Empty):
                self._news.get(timeout=min(left, 0.5))

    def _end(self) -> None:
        for rank in self._ranks:
            rank.close()
        deadline = time.monotonic() + CLOSING_SECONDS
        for rank in self._ranks:
            rank.kill(deadline)
