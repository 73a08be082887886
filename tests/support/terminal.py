"""A program on a pseudo-terminal of its own, under a shell with job control, as a person would run it."""

import asyncio
import fcntl
import os
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

JOB_SHELL = Path(__file__).with_name("job_shell.py")


class _Heard:
    """Everything that came out of a descriptor so far."""

    def __init__(self, descriptor: int) -> None:
        self.text = ""
        self._descriptor = descriptor
        self._seen = 0
        self._more = asyncio.Event()
        asyncio.get_running_loop().add_reader(descriptor, self._read)

    async def expect(self, words: str) -> str:
        """Wait for these words after those expected last; return what came before. The test's timeout bounds it."""
        while (found := self.text.find(words, self._seen)) < 0:
            self._more.clear()
            await self._more.wait()
        before = self.text[self._seen : found]
        self._seen = found + len(words)
        return before

    def _read(self) -> None:
        try:
            chunk = os.read(self._descriptor, 65536)
        except OSError:  # Linux tells the end of a terminal so
            chunk = b""
        if not chunk:
            asyncio.get_running_loop().remove_reader(self._descriptor)
        self.text += chunk.decode("utf-8", "replace")
        self._more.set()


class Session:
    """screen: what the program wrote. shell: what became of the job. job: its process group, and its first process."""

    def __init__(self, master: int, reports: int, orders: int) -> None:
        self._master = master
        self._orders = orders
        self.screen = _Heard(master)
        self.shell = _Heard(reports)
        self.job = 0
        self._closed = False

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def close(self) -> None:
        """What closing the window does."""
        asyncio.get_running_loop().remove_reader(self._master)
        os.close(self._master)
        self._closed = True

    def end(self) -> None:
        """Let the terminal go, if that was not done."""
        if not self._closed:
            self.close()

    def foreground(self) -> None:
        """What `fg` does."""
        os.write(self._orders, b"fg\n")

    async def line(self, start: str) -> str:
        """The rest of the next line on the screen that starts so."""
        await self.screen.expect(start)
        return (await self.screen.expect("\r\n")).strip()


@asynccontextmanager
async def on_terminal(command: Sequence[str], environ: Mapping[str, str], cwd: Path) -> AsyncIterator[Session]:
    """The command as the foreground job of a new terminal. Whatever is left of it is killed at the end."""
    master, slave = os.openpty()
    reports, reports_in = os.pipe()
    orders_out, orders = os.pipe()
    started = _shell(command, environ, cwd, slave, reports_in, orders_out)
    for descriptor in (slave, reports_in, orders_out):
        os.close(descriptor)
    session = Session(master, reports, orders)
    try:
        await session.shell.expect("job ")
        session.job = int(await session.shell.expect("\n"))
        yield session
    finally:
        for group in filter(None, (session.job, started.pid)):
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        await asyncio.to_thread(started.wait)
        session.end()
        asyncio.get_running_loop().remove_reader(reports)
        for descriptor in (reports, orders):
            os.close(descriptor)


def _shell(
    command: Sequence[str], environ: Mapping[str, str], cwd: Path, slave: int, reports: int, orders: int
) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-I", str(JOB_SHELL), str(reports), str(orders), *command],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=dict(environ),
        cwd=cwd,
        pass_fds=(reports, orders),
        start_new_session=True,
    )
