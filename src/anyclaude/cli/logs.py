"""The log file of one launch: `~/.anyclaude/logs/TIME-PID.log`, one JSON object a line.

While Claude Code owns the screen nothing of ours may reach it, so everything that Python would print by itself
(warnings, failures in threads, in logging) goes to the file too. A log that cannot be written does not stop a launch.
Secrets are taken out of every line as a whole, so it does not matter where in it they stand.
"""

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Iterable
from datetime import datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Final

from anyclaude.config.debug import logging_level, name_levels
from anyclaude.trace.redact import Redactor

KEEP: Final = 20
"""Launches whose log stays; older ones are removed at the start of a launch."""

LARGEST: Final = 10_000_000
"""Bytes of one log file; then it becomes `.1`, that `.2`, and what was `.2` is gone."""

LONGEST: Final = 20_000
"""Characters of one message or traceback; the rest is left out."""

_AFTER: Final = 2

# What every record of logging has; anything beyond was given with `extra=`.
_COMMON: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}

log = logging.getLogger(__name__)


class JsonLines(logging.Formatter):
    """A record as one line of ASCII JSON: what another program sent cannot steer a terminal or begin a new line."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": _bounded(record.getMessage()),
        }
        line |= {key: value for key, value in vars(record).items() if key not in _COMMON}
        if record.exc_info:
            line["exception"] = _bounded(self.formatException(record.exc_info))
        return json.dumps(self._redactor.value(_plain(line)))


def _plain(line: dict[str, Any]) -> dict[str, Any]:
    """Only what JSON has words for."""
    plain: dict[str, Any] = json.loads(json.dumps(line, default=str, skipkeys=True))
    return plain


def _bounded(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... ({len(text)} characters)"


def open_log(home: Path, secrets: Iterable[str] = (), debug: int = 0) -> Path:
    """Send all logging of this program to a new file under `home`, private to the user, and return its path.

    secrets: known ones, which are never written. debug: 0 to 3. Raises OSError when the file cannot be written.
    """
    folder = _private_folder(home)
    _prune(folder)
    path = folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    sink = _PrivateFiles(path, maxBytes=LARGEST, backupCount=_AFTER, encoding="ascii")
    sink.setFormatter(JsonLines(Redactor(secrets)))
    name_levels()
    root = logging.getLogger()
    root.handlers[:] = [sink]
    root.setLevel(logging.INFO)  # libraries stay at this
    logging.getLogger("anyclaude").setLevel(logging_level(debug))
    return path


class _PrivateFiles(RotatingFileHandler):
    """Files after the first are the owner's alone too."""

    def _open(self) -> Any:
        stream = super()._open()
        os.fchmod(stream.fileno(), 0o600)
        return stream


def _private_folder(home: Path) -> Path:
    """`home/logs`, made where missing with access for the owner alone."""
    try:
        base = home.expanduser()
    except RuntimeError as error:
        raise OSError("there is no home directory") from error
    folder = base / "logs"
    for each in (base, folder):
        each.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if folder.is_symlink() or status.st_uid != os.getuid():
        raise PermissionError(0, "is a link or belongs to another user", str(folder))
    folder.chmod(0o700)
    return folder


def _prune(folder: Path) -> None:
    for old in sorted(folder.glob("*.log"))[: -(KEEP - 1)]:
        for each in (old, *folder.glob(f"{old.name}.*")):
            try:
                each.unlink()
            except OSError:
                continue  # another launch was quicker


def keep_quiet() -> None:
    """Log nowhere, the screen least of all, until `open_log`."""
    logging.raiseExceptions = False  # a full disk must not be told on the screen
    root = logging.getLogger()
    root.handlers[:] = [logging.NullHandler()]
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)
    threading.excepthook = _log_thread_failure
    sys.unraisablehook = _log_unraisable


def _log_thread_failure(args: threading.ExceptHookArgs) -> None:
    failure = args.exc_value or args.exc_type()
    log.error("a thread failed", exc_info=failure)


def _log_unraisable(args: "sys.UnraisableHookArgs") -> None:
    log.error("%s: %r", args.err_msg or "exception ignored", args.object, exc_info=args.exc_value)
