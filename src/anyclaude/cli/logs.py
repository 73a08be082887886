"""The log file of one launch: `~/.anyclaude/logs/TIME-PID.log`.

While Claude Code owns the screen nothing of ours may reach it, so everything that Python would print by itself
(warnings, failures in threads, in logging) goes to the file too. A log that cannot be written does not stop a launch.
"""

import logging
import os
import sys
import threading
import time
from pathlib import Path
from typing import Final

KEEP: Final = 20
"""Log files that stay; older ones are removed at the start of a launch."""

_ESCAPED: Final = (*range(9), *range(11, 32), *range(127, 160), 0x2028, 0x2029)
_CONTROLS: Final = {code: f"\\u{code:04x}" for code in _ESCAPED}
_FORMAT: Final = "%(asctime)s.%(msecs)03d %(levelname)s %(name)s: %(message)s"

log = logging.getLogger(__name__)


class _Escaped(logging.Formatter):
    """Control characters, as another program may have sent them, are written out. Tracebacks keep their lines."""

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record).translate(_CONTROLS)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  (the name is logging's)
        return super().formatMessage(record).replace("\n", "\\n")


def open_log(home: Path) -> Path:
    """Send all logging of this program to a new file under `home`, private to the user, and return its path.

    Raises OSError when it cannot be written.
    """
    folder = _private_folder(home)
    _prune(folder)
    path = folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    sink = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
    sink.setFormatter(_Escaped(_FORMAT, "%Y-%m-%dT%H:%M:%S"))
    logging.getLogger().handlers[:] = [sink]
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it writes down every URL, and one may hold a password
    return path


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
        try:
            old.unlink()
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
