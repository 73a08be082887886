"""Who hears a signal: the latest that asked.

Until claude runs, and in proxy-only mode, a signal unwinds the session (what is open is drained and closed), and a
second one ends the program at once. While claude runs, `launch.claude` hears them instead.

A second SIGHUP says nothing new: of a terminal that is closed, the shell and the system tell us one after the other.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from anyclaude.wire.exit_codes import by_signal

Receiver = Callable[[int], None]
T = TypeVar("T")

ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(Exception):
    """The session was ended by a signal and has unwound."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"ended by {signal.Signals(signum).name}")
        self.signum = signum

    @property
    def exit_code(self) -> int:
        """As a shell tells the death by a signal."""
        return by_signal(self.signum)


class Signals:
    """The signal handlers of one event loop."""

    def __init__(self) -> None:
        self._receivers: list[Receiver] = []
        self._ignored = {number for number in ENDING if signal.getsignal(number) is signal.SIG_IGN}
        self._ignored.discard(signal.SIGINT)  # a shell ignores it for its background jobs; we are asked to end by it

    @contextmanager
    def to(self, receiver: Receiver, *more: signal.Signals) -> Iterator[None]:
        """Tell `receiver` of the ending signals, and of `more`, while the block runs.

        A signal that was ignored when we started (nohup) stays so.
        """
        loop = asyncio.get_running_loop()
        self._receivers.append(receiver)
        for number in (*ENDING, *more):
            if number not in self._ignored:
                loop.add_signal_handler(number, self._deliver, number)
        try:
            yield
        finally:
            self._receivers.pop()
            for number in more if self._receivers else (*ENDING, *more):
                loop.remove_signal_handler(number)

    def _deliver(self, number: int) -> None:
        self._receivers[-1](number)


async def interruptible(signals: Signals, work: Coroutine[Any, Any, T]) -> T:
    """Await `work`. The first signal cancels it, and Interrupted is raised once it has unwound; a second one exits."""
    task = asyncio.current_task()
    assert task is not None
    caught: list[int] = []

    def receive(number: int) -> None:
        if caught and number == signal.SIGHUP:
            return
        if caught:
            os._exit(by_signal(number))
        caught.append(number)
        task.cancel()

    with signals.to(receive):
        try:
            return await work
        except asyncio.CancelledError:
            if not caught:
                raise
            task.uncancel()
            raise Interrupted(caught[0]) from None
