"""How our programs end, for shells and for whoever supervises them. docs/reference/exit-codes.md has it by program.

Claude Code's own code is handed on as it is, so behind a launch any number may be its word and not ours.
"""

from enum import IntEnum
from typing import Final

_BY_SIGNAL: Final = 128


class ExitCode(IntEnum):
    """DONE: all well. NO: the answer to what was asked is no. NOT_READY: a setting, an argument or this machine must be
    changed first, and another try changes nothing. FAULT: something of ours broke (EX_SOFTWARE of sysexits.h).
    TRY_AGAIN: what is needed is not there now, and may be later (EX_TEMPFAIL). INTERRUPTED: Ctrl-C.
    """

    DONE = 0
    NO = 1
    NOT_READY = 2
    FAULT = 70
    TRY_AGAIN = 75
    INTERRUPTED = 130


def by_signal(number: int) -> int:
    """The code for an end by a signal, as a shell tells it."""
    return _BY_SIGNAL + number
