"""The small JSON files that we keep in `~/.anyclaude`: written whole or not at all, for the owner alone.

Who changes one reads and writes it under its lock, so that of two programs that do so at once neither undoes what the
other wrote. The lock is a file beside it, because the file itself is replaced by every writing.
"""

import fcntl
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from anyclaude.errors import SetupError

LOCK_DEADLINE: Final = 10.0
"""Seconds that another one may hold the lock. It does so for milliseconds."""

_AGAIN: Final = 0.02  # seconds


@contextmanager
def locked(path: Path, deadline: float = LOCK_DEADLINE) -> Iterator[None]:
    """Nobody else changes the file while the block runs. Makes its folder. Raises SetupError."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.chmod(0o700)
        lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise _cannot(path, error) from None
    try:
        _take(lock, path, deadline)
        yield
    finally:
        os.close(lock)


def write_private(path: Path, tree: Mapping[str, object]) -> None:
    """As JSON to be read by people: all of it or nothing, mode 0600. Raises SetupError."""
    replace_private(path, json.dumps(tree, indent=2, sort_keys=True).encode())


def replace_private(path: Path, content: bytes) -> None:
    """All of it or nothing, mode 0600. Raises SetupError."""
    name = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            name = file.name
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except OSError as error:
        if name is not None:
            Path(name).unlink(missing_ok=True)
        raise _cannot(path, error) from None


def _take(lock: int, path: Path, deadline: float) -> None:
    until = time.monotonic() + deadline
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > until:
                raise SetupError(f"{path} is held by another anyclaude; end that one and try again") from None
        except OSError:
            return  # a file system without locks: the writing is still all or nothing
        time.sleep(_AGAIN)


def _cannot(path: Path, error: OSError) -> SetupError:
    return SetupError(f"{path} cannot be written: {error.strerror}")
