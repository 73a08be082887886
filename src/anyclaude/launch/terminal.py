"""The terminal that we share with claude: whose job it is, and how it was before.

Claude Code puts the terminal into raw mode and switches on mouse, focus and paste reports. It takes all that back when
it ends, except when it is killed; then we do.
"""

import os
import signal
import termios
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

# Show the cursor; stop reporting pastes, focus and the mouse; leave the extended keyboard modes; plain colours; a new
# line, and nothing of the old screen below it.
_CALM: Final = (
    b"\x1b[?25h\x1b[?2004l\x1b[?1004l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[<u\x1b[>4m\x1b[0m\r\n\x1b[J"
)


@dataclass(frozen=True, slots=True)
class Saved:
    """The modes of the terminal on this descriptor, as `termios.tcgetattr` gives them."""

    descriptor: int
    modes: list[Any]


def save() -> Saved | None:
    """The modes now; None when none of our standard descriptors is a terminal."""
    for descriptor in (0, 1, 2):
        with suppress(OSError, termios.error):
            return Saved(descriptor, termios.tcgetattr(descriptor))
    return None


def restore(saved: Saved | None, *, crashed: bool) -> None:
    """Put the modes back if they changed; after a crash, switch off what a full-screen program switches on."""
    if saved is None or not foreground():
        return
    before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    try:
        with suppress(OSError, termios.error):
            if termios.tcgetattr(saved.descriptor) != saved.modes:
                termios.tcsetattr(saved.descriptor, termios.TCSANOW, saved.modes)
            if crashed:
                termios.tcflush(saved.descriptor, termios.TCIFLUSH)  # keys meant for claude are no commands for a shell
                os.write(saved.descriptor, _CALM)
    finally:
        signal.signal(signal.SIGTTOU, before)


def foreground() -> bool:
    """Whether our process group is the terminal's foreground job, so that its keys reach claude without us."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
