"""Claude Code as our child, as if it had been started by the shell itself.

It inherits our standard descriptors, stays in our process group and so keeps the terminal: keys, Ctrl-C, Ctrl-Z and
resizing reach it without us. What is left for us:

- Signals that the terminal sends go to the whole group; we only survive them. Signals sent to us alone are handed on.
- When claude stops, we stop, so that the shell sees its job stopped; when we are continued, claude is.
- Its exit code is ours; death by signal n is 128+n.
- Should we be killed, it is ended too (`launch.orphan`).

`os.waitpid(WUNTRACED)` in a thread does the waiting: it tells of stops as well as of the end, on Linux and macOS, and
leaves the event loop's own child watching alone (asyncio and uvloop hide stops).
"""

import asyncio
import os
import shutil
import signal
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

from anyclaude.errors import SetupError
from anyclaude.launch import terminal
from anyclaude.launch.orphan import no_orphan
from anyclaude.launch.signals import Signals
from anyclaude.wire.exit_codes import by_signal

VARIABLE: Final = "ANYCLAUDE_CLAUDE"
GRACE: Final = 5.0
"""Seconds from the first SIGTERM or SIGHUP to SIGKILL."""

_HEARD: Final = 0.001
"""Seconds in which the event loop tells of a signal that is already there."""

# Python ignores these; a program that we start must not inherit that.
_NOT_IGNORED: Final = (signal.SIGPIPE, signal.SIGXFSZ)


def find_claude(environ: Mapping[str, str]) -> str:
    """The program to start: ANYCLAUDE_CLAUDE if set, else `claude` on PATH. Raises SetupError."""
    named = environ.get(VARIABLE)
    found = shutil.which(os.path.expanduser(named or "claude"), path=environ.get("PATH", os.defpath))
    if found is not None:
        return found
    if named:
        raise SetupError(f"{VARIABLE} names {named}, which is not a program that can be run")
    raise SetupError(
        "claude is not on PATH; install it with `npm install -g @anthropic-ai/claude-code`, "
        f"or set {VARIABLE} to where it is"
    )


async def run_claude(
    command: Sequence[str], environ: Mapping[str, str], signals: Signals, *, grace: float = GRACE
) -> int:
    """Start it, wait for its end, and return the exit code for ours. Raises SetupError if it cannot be started."""
    await asyncio.sleep(_HEARD)  # a Ctrl-C before claude is there to hear it is for us
    saved = terminal.save()
    child = _Child(grace)
    with signals.to(child.receive, signal.SIGQUIT, signal.SIGTSTP, signal.SIGCONT), no_orphan() as known:
        known(child.start(command, environ))
        try:
            code = await child.ended
        finally:
            await child.reap()
            terminal.restore(saved, crashed=child.crashed)
    return code


class _Child:
    def __init__(self, grace: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._grace = grace
        self._pid: int | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._exit: asyncio.Future[int] = self._loop.create_future()
        self._stopped = False
        self.crashed = False

    @property
    def ended(self) -> asyncio.Future[int]:
        """Set to the exit code. Shielded: who waits may be cancelled, the child's end still counts."""
        return asyncio.shield(self._exit)

    def start(self, command: Sequence[str], environ: Mapping[str, str]) -> int:
        """Its process id."""
        try:
            self._pid = os.posix_spawn(command[0], list(command), dict(environ), setsigdef=_NOT_IGNORED)
        except OSError as error:
            raise SetupError(f"cannot start {command[0]}: {error.strerror}") from error
        threading.Thread(target=self._watch, args=(self._pid,), name="claude-waiter", daemon=True).start()
        return self._pid

    def receive(self, number: int) -> None:
        """A signal that reached us."""
        if number == signal.SIGCONT:
            self._stopped = False
        if number == signal.SIGTSTP and self._stopped:
            return  # the Ctrl-Z that stopped claude, heard only now that both go on: signals come in their order
        if number in (signal.SIGTERM, signal.SIGHUP):
            self._terminate(number)
        elif number in (signal.SIGINT, signal.SIGQUIT) and terminal.foreground():
            return  # the terminal's Ctrl-C went to claude as well
        else:
            self._send(number)

    async def reap(self) -> None:
        """Leave nothing behind: a child that still runs is killed."""
        if self._deadline is not None:
            self._deadline.cancel()
        if self._pid is not None:
            self._send(signal.SIGKILL)
            await self.ended

    def _terminate(self, number: int) -> None:
        if self._deadline is not None:
            if number != signal.SIGHUP:
                self._send(signal.SIGKILL)
            return
        self._send(number)
        self._send(signal.SIGCONT)  # a stopped process would not hear it
        self._deadline = self._loop.call_later(self._grace, self._send, signal.SIGKILL)

    def _send(self, number: int) -> None:
        if self._pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self._pid, number)

    def _watch(self, pid: int) -> None:
        """In its own thread: tell the loop of every stop, and of the end."""
        while True:
            _, status = os.waitpid(pid, os.WUNTRACED)
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._changed, status)
            if not os.WIFSTOPPED(status):
                return

    def _changed(self, status: int) -> None:
        if os.WIFSTOPPED(status):
            self._stopped = True
            os.kill(os.getpid(), signal.SIGSTOP)
            return
        self._pid = None
        code = os.waitstatus_to_exitcode(status)
        self.crashed = code < 0
        self._exit.set_result(by_signal(-code) if code < 0 else code)
