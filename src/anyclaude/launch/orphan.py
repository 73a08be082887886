"""No claude outlives us: should we be killed, a small shell ends it.

The shell reads from a pipe whose other end we alone hold, which the system closes however we die. It has a session of
its own, so that no key reaches it, and nothing of our standard output, which others may read to its end. When all goes
well it is killed before it learns of anything.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

_SHELL: Final = "/bin/sh"

# The id of a process that is gone may belong to another one, so it is asked for before the last resort.
_ENDS: Final = """
read -r pid || exit
read -r nothing
kill -TERM "$pid" && kill -CONT "$pid"
for second in 1 2 3 4 5; do sleep 1; kill -0 "$pid" || exit; done
kill -KILL "$pid"
"""


@contextmanager
def no_orphan() -> Iterator[Callable[[int], None]]:
    """The process whose id is given is ended should ours be killed within the block. Without a shell it is not."""
    try:
        reads, held = os.pipe()
    except OSError:
        yield lambda pid: None
        return
    shell = _started(reads)
    os.close(reads)

    def known(pid: int) -> None:
        with suppress(OSError):
            os.write(held, b"%d\n" % pid)

    try:
        yield known
    finally:
        if shell is not None:
            with suppress(ProcessLookupError):
                os.kill(shell, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(shell, 0)
        os.close(held)


def _started(reads: int) -> int | None:
    quiet = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_WRONLY, 0) for number in (1, 2)]
    actions = [(os.POSIX_SPAWN_DUP2, reads, 0), *quiet]
    try:
        return os.posix_spawn(_SHELL, ["sh", "-c", _ENDS], {"PATH": os.defpath}, file_actions=actions, setsid=True)
    except (NotImplementedError, OSError):
        return None
