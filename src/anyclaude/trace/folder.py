"""The folder of one mode's traces: private, safe to write into, and bounded in size and age.

A record is written under a temporary name and renamed, so that a file that has its name is whole whenever the program
is killed. All names are taken relative to the opened folder: nobody can put a link in its place in between.
"""

import os
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

_WRITE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_STALE: Final = 3600.0
"""Seconds after which a temporary file is one that a killed process left."""


class TraceFolder:
    """`home/traces/mode`. Every method raises OSError; `close` does not.

    max_bytes, max_seconds: what is kept; the oldest goes first.
    """

    def __init__(self, home: Path, mode: str, max_bytes: int, max_seconds: float) -> None:
        self._home = home
        self._mode = mode
        self._max_bytes = max_bytes
        self._max_seconds = max_seconds
        self._held: int | None = None
        self._size = 0

    def write(self, name: str, record: bytes) -> None:
        """A new file with that name. On failure nothing of it stays."""
        folder = self._opened()
        part = f".{name}.{os.getpid()}.part"
        descriptor = os.open(part, _WRITE, 0o600, dir_fd=folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(descriptor, 0o600)
                file.write(record)
            os.rename(part, name, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError:
            with suppress(OSError):
                os.unlink(part, dir_fd=folder)
            raise
        self._size += len(record)
        if self._size > self._max_bytes:
            self.prune()

    def prune(self) -> None:
        """Remove what is too old, then the oldest until the rest fits."""
        folder, now = self._opened(), time.time()
        found = sorted(self._files(folder), reverse=True)
        self._size = 0
        for name, size, changed in found:
            age = now - changed
            fits = self._size + size <= self._max_bytes and age <= self._max_seconds
            if name.startswith(".") and age <= _STALE:
                continue
            if fits and not name.startswith("."):
                self._size += size
                continue
            with suppress(FileNotFoundError):  # another launch was quicker
                os.unlink(name, dir_fd=folder)

    def close(self) -> None:
        """Let the folder go; the next write opens it anew."""
        if self._held is not None:
            with suppress(OSError):
                os.close(self._held)
            self._held = None

    def _opened(self) -> int:
        if self._held is None:
            self._held = _open_private(self._home, self._mode)
            self.prune()
        return self._held

    def _files(self, folder: int) -> Iterator[tuple[str, int, float]]:
        for name in os.listdir(folder):
            if not name.lstrip(".").startswith("trace-"):
                continue
            with suppress(FileNotFoundError):
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                yield name, status.st_size, status.st_mtime


def open_traces(home: Path) -> int:
    """`home/traces`, made where missing, closed to others. Raises OSError for a link or another user's folder."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    return _open_below(home / "traces", None)


def _open_private(home: Path, mode: str) -> int:
    traces = open_traces(home)
    try:
        return _open_below(Path(mode), traces)
    finally:
        os.close(traces)


def _open_below(path: Path, parent: int | None) -> int:
    """The folder, made where missing, closed to others. Raises OSError for a link or another user's folder."""
    with suppress(FileExistsError):
        os.mkdir(path, 0o700, dir_fd=parent)
    try:
        folder = os.open(path, _OPEN, dir_fd=parent)
    except OSError as error:
        raise OSError(error.errno, "is a link, no folder, or not readable", str(path)) from error
    if os.fstat(folder).st_uid != os.getuid():
        os.close(folder)
        raise PermissionError(0, "belongs to another user", str(path))
    if stat.S_IMODE(os.fstat(folder).st_mode) != 0o700:
        os.fchmod(folder, 0o700)
    return folder
