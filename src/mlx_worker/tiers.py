"""Memory before disk: what is fetched from files when a prompt needs it, and what is written while nobody waits.

A file is read only where it saves much more than memory does. System prompts are written at the first rest, sessions
once the engine has rested for a while, and what has to leave memory when it leaves; all on the engine's thread, which
owns the arrays, one entry at a time.
"""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from mlx_worker.disk_cache import DiskCache
from mlx_worker.prefix_cache import PrefixCache
from mlx_worker.prefix_entry import Entry
from mlx_worker.runner import Runner

log = logging.getLogger("mlx_worker")

LONG_REST: Final = 10.0
"""Seconds without work, after which sessions are written too."""


class Tiers:
    """The disk tier behind a cache. folder None or quota 0: there is none, and nothing happens."""

    def __init__(self, cache: PrefixCache[Any], runner: Runner, folder: Path | None, quota: int) -> None:
        self._cache = cache
        self._runner = runner
        self.disk = _opened(runner, folder, quota) if folder is not None and quota else None

    def fetch(self, tokens: Sequence[int]) -> None:
        """Bring into memory what serves a prompt much better than what is there."""
        if self.disk is None:
            return
        near = self._cache.peek(tokens)
        hit = self.disk.find(tokens, near.length if near else 0)
        taken = self.disk.take(hit.entry) if hit else None
        if hit is None or taken is None:
            return
        kv, cuts = taken
        body = self._runner.nbytes(kv) - (cuts[max(cuts)].nbytes if cuts else 0)
        kind, session = hit.entry.kind, hit.entry.session
        self.spill(self._cache.store(hit.entry.tokens, kv, nbytes=body, kind=kind, cuts=cuts, session=session))

    def spill(self, gone: Sequence[Entry[Any]]) -> None:
        """Write what had to leave memory."""
        for entry in gone:
            self._write(entry)

    def rest(self, rested: float) -> bool:
        """Write one entry that has no file yet; False when there is none. rested: seconds without work."""
        entry = next(self._unwritten(rested), None)
        if entry is not None:
            self._write(entry)
        return entry is not None

    def _unwritten(self, rested: float) -> Iterator[Entry[Any]]:
        """The most valuable first."""
        if self.disk is None:
            return
        for entry in reversed(list(self._cache)):
            if (entry.kind == "system" or rested >= LONG_REST) and self.disk.wants(entry):
                yield entry

    def _write(self, entry: Entry[Any]) -> None:
        if self.disk is not None and self.disk.wants(entry):
            self.disk.put(entry)


def _opened(runner: Runner, folder: Path, quota: int) -> DiskCache | None:
    try:
        disk = DiskCache(folder.expanduser(), quota, runner.fingerprint, runner.save, runner.load)
    except OSError as error:
        log.warning("no disk cache: %s: %s", error.filename or folder, error.strerror or error)
        return None
    log.info("the disk cache has %d prefixes, %d MB", len(disk), disk.nbytes // 1_000_000)
    return disk
