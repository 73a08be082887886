"""The files of all modes' traces, listed and read. No link is followed, and nothing is read that is no plain file.

A trace may go at any time: the proxies prune. What is gone or cannot be read is not there, and no error.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import orjson

LARGEST: Final = 128 * 1024 * 1024
"""Bytes of a file that is read as a trace: the largest request that we take, and once more as it went upstream."""

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK

Stamp = tuple[int, int]
"""Size in bytes, and the time of the last change in nanoseconds: a file of which both are the same is the same."""


def listed(traces: Path) -> dict[str, Stamp]:
    """All traces as `MODE/NAME`. traces: `home/traces`."""
    found: dict[str, Stamp] = {}
    with suppress(OSError), _opened(traces) as root:
        for mode in os.listdir(root):
            with suppress(OSError), _opened(mode, root) as folder:
                found.update((f"{mode}/{name}", stamp) for name, stamp in _in(folder))
    return found


def record_in(traces: Path, file: str) -> dict[str, Any] | None:
    """The record of one that was listed; None where it is gone, is too large or is no record."""
    content = _content(traces, file)
    try:
        record = orjson.loads(content) if content else None
    except ValueError:
        return None
    return record if isinstance(record, dict) and "request" in record else None


def _content(traces: Path, file: str) -> bytes | None:
    mode, _, name = file.partition("/")
    if not _is_trace(name) or "/" in name or mode in ("", ".", ".."):
        return None
    with suppress(OSError), _opened(traces) as root, _opened(mode, root) as folder:
        return _whole(os.open(name, _FILE, dir_fd=folder))
    return None


def _whole(descriptor: int) -> bytes | None:
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        return file.read() if stat.S_ISREG(status.st_mode) and status.st_size <= LARGEST else None


def _in(folder: int) -> Iterator[tuple[str, Stamp]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if _is_trace(entry.name) and entry.is_file(follow_symlinks=False):
                with suppress(FileNotFoundError):
                    status = entry.stat(follow_symlinks=False)
                    yield entry.name, (status.st_size, status.st_mtime_ns)


def _is_trace(name: str) -> bool:
    return name.startswith("trace-") and name.endswith(".json")


@contextmanager
def _opened(path: Path | str, parent: int | None = None) -> Iterator[int]:
    folder = os.open(path, _FOLDER, dir_fd=parent)
    try:
        yield folder
    finally:
        os.close(folder)
