"""What was computed and is kept: in memory, and behind it on disk. Taken when a request begins, kept when it gets on.

A file is read only where it saves much more than memory does. System prompts are written at the first rest, sessions
once the engine has rested for a while, and what has to leave memory when it leaves; all on the engine's thread, which
owns the arrays, one entry at a time.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from mlx_worker.disk_cache import DiskCache
from mlx_worker.jobs import Job, Limits
from mlx_worker.prefix_cache import PrefixCache
from mlx_worker.prefix_entry import Entry, Hit, Kind, worthwhile
from mlx_worker.runner import Runner

log = logging.getLogger("mlx_worker")

LONG_REST: Final = 10.0
"""Seconds without work, after which sessions are written too."""

ACTIVE: Final = 60.0
"""Seconds for which a session that was in work will most likely ask again."""


class Prefixes:
    """`cache` is the tier in memory. Without a folder or a quota there is no other."""

    def __init__(self, runner: Runner, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self.cache: PrefixCache[Any] = PrefixCache(limits.cache_bytes, limits.cache_entries)
        self._runner = runner
        self._clock = clock
        self._seen: dict[str, float] = {}  # when a session was last in work
        folder, quota = limits.disk_cache_dir, limits.disk_cache_bytes
        self._disk = _opened(runner, folder, quota) if folder is not None and quota else None

    def __iter__(self) -> Iterator[tuple[str, Entry[Any]]]:
        """Every entry, each with the name of its tier."""
        yield from (("memory", entry) for entry in self.cache.entries())
        yield from (("disk", entry) for entry in self._disk or ())

    def forget(self) -> int:
        """Drop every entry; what requests in work use is theirs. Returns how many they were."""
        kept = len(list(self))
        self.cache.clear()
        if self._disk is not None:
            self._disk.clear()
        return kept

    def take(self, job: Job) -> None:
        """Begin a request with a copy of the longest part of its prompt that is kept."""
        self._fetch(job.tokens)
        hit = self.cache.lookup(job.tokens)
        job.cached = job.done = hit.length if hit else 0
        job.kv = self._copied(job, hit) if hit else self._runner.new_kv()

    def cut(self, job: Job, end: int) -> None:
        """Copy what cannot be cut back of a request's state, as it was at `end`, where later requests will start."""
        if not self._runner.cuttable:
            job.cuts[end] = replace(self._runner.cut(job.kv, job.done - end), lasting=True)

    def keep(self, job: Job, tokens: Sequence[int], kv: Any, kind: Kind) -> None:
        """Keep a state, and what cannot be cut back of it at the places where the request has been."""
        whole = None if self._runner.trimmable(kv) else self._runner.cut(kv)
        cuts = worthwhile({len(tokens): whole, **job.cuts}) if whole else None
        nbytes = self._runner.nbytes(kv) - (whole.nbytes if whole else 0)
        session = job.generation.session
        self.cache.active = self._active(session)
        self._spill(self.cache.store(tokens, kv, nbytes=nbytes, kind=kind, cuts=cuts, session=session))

    def rest(self, rested: float) -> bool:
        """Write one entry that has no file yet; False when there is none. rested: seconds without work."""
        entry = next(self._unwritten(rested), None)
        if entry is not None:
            self._write(entry)
        return entry is not None

    def put_away(self, deadline: float) -> None:
        """Write what the next start of the worker can use, until `deadline` of the clock."""
        while self._clock() < deadline and self.rest(LONG_REST):
            pass

    def _copied(self, job: Job, hit: Hit[Any]) -> Any:
        kv = self._runner.fork(hit.entry.kv, hit.length, hit.cut)
        job.cuts = {length: cut for length, cut in (hit.entry.cuts or {}).items() if length <= hit.length}
        if not (self._runner.cuttable or job.cuts):
            job.cuts[hit.length] = self._runner.cut(kv)
        return kv

    def _active(self, latest: str | None) -> set[str]:
        now = self._clock()
        if latest is not None:
            self._seen[latest] = now
        self._seen = {session: seen for session, seen in self._seen.items() if now - seen < ACTIVE}
        return set(self._seen)

    def _fetch(self, tokens: Sequence[int]) -> None:
        """Bring into memory what serves a prompt much better than what is there."""
        if self._disk is None:
            return
        near = self.cache.peek(tokens)
        hit = self._disk.find(tokens, near.length if near else 0)
        taken = self._disk.take(hit.entry) if hit else None
        if hit is None or taken is None:
            return
        kv, cuts = taken
        body = self._runner.nbytes(kv) - (cuts[max(cuts)].nbytes if cuts else 0)
        kind, session = hit.entry.kind, hit.entry.session
        self._spill(self.cache.store(hit.entry.tokens, kv, nbytes=body, kind=kind, cuts=cuts, session=session))

    def _spill(self, gone: Sequence[Entry[Any]]) -> None:
        """Write what had to leave memory."""
        for entry in gone:
            self._write(entry)

    def _unwritten(self, rested: float) -> Iterator[Entry[Any]]:
        """The most valuable first."""
        if self._disk is None:
            return
        for entry in reversed(list(self.cache)):
            if (entry.kind == "system" or rested >= LONG_REST) and self._disk.wants(entry):
                yield entry

    def _write(self, entry: Entry[Any]) -> None:
        if self._disk is not None and self._disk.wants(entry):
            self._disk.put(entry)


def _opened(runner: Runner, folder: Path, quota: int) -> DiskCache | None:
    try:
        disk = DiskCache(folder.expanduser(), quota, runner.fingerprint, runner.save, runner.load)
    except OSError as error:
        log.warning("no disk cache: %s: %s", error.filename or folder, error.strerror or error)
        return None
    log.info("the disk cache has %d prefixes, %d MB", len(disk), disk.nbytes // 1_000_000)
    return disk
