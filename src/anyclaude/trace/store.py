"""Where records go: a bounded queue, and one thread that redacts and writes them.

A full queue or a full disk loses traces, never a request; they are counted, and the log says so once. The thread is a
daemon: a program that ends does not wait for it longer than `close` says. Once an hour it looks for what has become too
old, of all modes, also when nothing is written.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from anyclaude.config.model import MODES, Traces
from anyclaude.trace.draft import Draft
from anyclaude.trace.folder import TraceFolder
from anyclaude.trace.record import NoRecording, Recorder
from anyclaude.trace.recorder import TraceRecorder
from anyclaude.trace.redact import Redactor
from anyclaude.trace.waiting import Waiting

PRUNE_EVERY: Final = 3600.0
"""Seconds between two looks for traces that are too old."""

_BREATH: Final = 0.0005
"""Seconds for which the thread lets go between two passes over a record: a pass keeps every other thread waiting."""

_DAY: Final = 86_400.0

log = logging.getLogger(__name__)


class TraceStore:
    """A `Recording` that writes one file a request to `home/traces/mode`. Call `close` at the end."""

    def __init__(
        self,
        home: Path,
        mode: str,
        limits: Traces,
        secrets: Iterable[str],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """secrets: every one that is known. now: seconds. Raises OSError when there is no home directory."""
        self._home = _expanded(home)
        self._mode = mode
        self._limits = limits
        self._now = now
        self._redactor = Redactor(secrets, self._breathe)
        self._folder = self._folder_of(mode)
        self._waiting = Waiting()
        self.lost = 0
        self._counting = threading.Lock()
        self._thread = threading.Thread(target=self._write_all, name="traces", daemon=True)
        self._thread.start()

    def begin(self, request_id: str, path: str, headers: Mapping[str, str], body: Mapping[str, Any]) -> Recorder:
        draft = Draft(request_id, self._mode, path, time.time(), tuple(headers.items()))
        try:
            draft.body = draft.keep(body)
        except Exception as failure:  # nothing that is recorded may cost an answer
            self._tell(f"a request could not be encoded: {type(failure).__name__}")
            return NoRecording().begin(request_id, path, headers, body)
        return TraceRecorder(draft, self._put)

    def close(self, deadline: float = 3.0) -> None:
        """Write what waits, for `deadline` seconds at most; the rest is lost."""
        self._waiting.close()
        self._thread.join(deadline)

    def _put(self, draft: Draft) -> None:
        if not self._waiting.put(draft):
            self._tell("the disk is too slow for them")

    def _write_all(self) -> None:
        due = self._now()
        while True:
            if self._now() >= due:
                self._prune()
                due = self._now() + PRUNE_EVERY
            draft = self._waiting.take(due - self._now())
            if draft is not None:
                self._write(draft)
            elif self._waiting.closed:
                break
        self._folder.close()

    def _write(self, draft: Draft) -> None:
        try:
            self._folder.write(_name(draft), draft.encoded(self._redactor))
        except OSError as error:
            self._folder.close()
            where = f"{error.filename}: " if error.filename else ""
            self._tell(f"{where}{error.strerror or error}")
        except Exception as failure:  # one record that cannot be encoded must not end the thread
            self._tell(f"a record could not be encoded: {type(failure).__name__}")

    def _prune(self) -> None:
        """Of all modes, but none is made for that."""
        for mode in MODES:
            if (self._home / "traces" / mode).is_dir():
                folder = self._folder if mode == self._mode else self._folder_of(mode)
                try:
                    folder.prune()
                except OSError as error:
                    log.info("old traces cannot be looked through: %s", error.strerror or error)
                finally:
                    folder.close()

    def _folder_of(self, mode: str) -> TraceFolder:
        limits = self._limits
        return TraceFolder(self._home, mode, limits.max_megabytes * 1_000_000, limits.max_days * _DAY)

    def _breathe(self) -> None:
        if not self._waiting.closed:
            time.sleep(_BREATH)

    def _tell(self, why: str) -> None:
        with self._counting:
            self.lost += 1
            first = self.lost == 1
        if first:
            log.warning("traces are being lost, requests are not: %s", why)


def _name(draft: Draft) -> str:
    """`trace-YYYYMMDD-HHMMSS-mmm-SHORTID.json`, in the order of time."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(draft.began))
    short = "".join(filter(str.isalnum, draft.id))[-8:] or "0"
    return f"trace-{stamp}-{int(draft.began * 1000) % 1000:03d}-{short}.json"


def _expanded(home: Path) -> Path:
    try:
        return home.expanduser()
    except RuntimeError as error:
        raise OSError("there is no home directory") from error
