"""Where records go: a bounded queue, and one thread that writes them.

A full queue or a full disk loses traces, never a request, and the log says so once. The thread is a daemon: a program
that ends does not wait for it longer than `close` says.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from anyclaude.config.model import Traces
from anyclaude.trace.folder import TraceFolder
from anyclaude.trace.record import NoRecording, Recorder
from anyclaude.trace.recorder import TraceRecorder, beginning
from anyclaude.trace.redact import Redactor

MOST_WAITING: Final = 256
MOST_BYTES_WAITING: Final = 64 * 1024 * 1024

_DAY: Final = 86_400.0

log = logging.getLogger(__name__)


class TraceStore:
    """A `Recording` that writes one file a request to `home/traces/mode`. Call `close` at the end."""

    def __init__(self, home: Path, mode: str, limits: Traces, secrets: Iterable[str]) -> None:
        """secrets: every one that is known. Raises OSError when there is no home directory."""
        self._mode = mode
        self._redactor = Redactor(secrets)
        self._folder = TraceFolder(_expanded(home), mode, limits.max_megabytes * 1_000_000, limits.max_days * _DAY)
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._closed = False
        self._told = False
        self._thread = threading.Thread(target=self._write_all, name="traces", daemon=True)
        self._thread.start()

    def begin(self, request_id: str, path: str, headers: Mapping[str, str], body: Mapping[str, Any]) -> Recorder:
        try:
            start = beginning(request_id, self._mode, path, headers, body, self._redactor)
        except Exception as failure:  # nothing that is recorded may cost an answer
            self._tell(f"a request could not be encoded: {type(failure).__name__}")
            return NoRecording().begin(request_id, path, headers, body)
        name = _name(request_id)
        return TraceRecorder(start, self._redactor, lambda record: self._put(name, record))

    def close(self, deadline: float = 3.0) -> None:
        """Write what waits, for `deadline` seconds at most; the rest is lost."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(deadline)

    def _put(self, name: str, record: bytes) -> None:
        with self._changed:
            full = len(self._waiting) >= MOST_WAITING or self._bytes + len(record) > MOST_BYTES_WAITING
            if not (full or self._closed):
                self._waiting.append((name, record))
                self._bytes += len(record)
                self._changed.notify()
        if full:
            self._tell("the disk is too slow for them")

    def _write_all(self) -> None:
        while (job := self._next()) is not None:
            try:
                self._folder.write(*job)
            except OSError as error:
                self._folder.close()
                where = f"{error.filename}: " if error.filename else ""
                self._tell(f"{where}{error.strerror or error}")
        self._folder.close()

    def _next(self) -> tuple[str, bytes] | None:
        with self._changed:
            while not self._waiting:
                if self._closed:
                    return None
                self._changed.wait()
            name, record = self._waiting.popleft()
            self._bytes -= len(record)
            return name, record

    def _tell(self, why: str) -> None:
        if not self._told:
            self._told = True
            log.warning("traces are being lost, requests are not: %s", why)


def _name(request_id: str) -> str:
    """`trace-YYYYMMDD-HHMMSS-mmm-SHORTID.json`, in the order of time."""
    now = time.time()
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(now))
    short = "".join(filter(str.isalnum, request_id))[-8:] or "0"
    return f"trace-{stamp}-{int(now * 1000) % 1000:03d}-{short}.json"


def _expanded(home: Path) -> Path:
    try:
        return home.expanduser()
    except RuntimeError as error:
        raise OSError("there is no home directory") from error
