"""`~/.anyclaude/proxies/`: one file for each running proxy of this person, so that others of their programs can ask it.

It holds the proxy's address and token, so it is for the owner alone, and it is there only while the proxy is. A proxy
holds its file locked: the lock goes with the process however that ends, and never belongs to another one that got the
same process id. What is not locked is a leftover and is removed by whoever looks. Where a file system has no locks, the
process id decides, and whoever asks sees by the token whether it is that proxy.
"""

import fcntl
import json
import logging
import os
import platform
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

FOLDER: Final = "proxies"
MOST: Final = 64
"""Proxies that are told of."""

_LARGEST: Final = 8192  # bytes
_URL: Final = re.compile(r"http://127\.0\.0\.1:[1-9]\d{0,4}")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Running:
    """A proxy that runs. started: seconds since 1970. token: what every request to it must carry.

    host: the machine's name, because a home directory may be that of several machines: nobody removes another one's.
    """

    pid: int
    url: str
    started: float
    mode: str
    token: str = field(repr=False)
    host: str = field(default_factory=platform.node)


@contextmanager
def listed(home: Path, proxy: Running) -> Iterator[None]:
    """The proxy can be found while the block runs. home: `settings.home`. Without a place for its file it cannot."""
    try:
        path, held = _written(home.expanduser() / FOLDER, proxy)
    except (OSError, RuntimeError) as error:  # no home directory, or one that cannot be written to
        log.warning("this proxy cannot be found by `anyclaude cluster status`: %s", type(error).__name__)
        yield
        return
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)
        os.close(held)


def running(home: Path) -> list[Running]:
    """The proxies of this person, the oldest first. Leftovers are removed on the way; what cannot be read is not told.

    One whose process id is in use is told even where no lock can say that it is that proxy: ask it.
    """
    folder = home.expanduser() / FOLDER
    try:
        paths = sorted(folder.glob("*.json"))
    except OSError:
        return []
    found = (proxy for path in paths if (proxy := _looked_at(path)) is not None)
    return sorted(islice(found, MOST), key=lambda proxy: proxy.started)


def _written(folder: Path, proxy: Running) -> tuple[Path, int]:
    """The file, which is locked before it has its name, and what holds it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    path = folder / f"{proxy.pid}-{proxy.url.rpartition(':')[2]}.json"
    draft = folder / f".{secrets.token_hex(8)}"
    held = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.write(held, json.dumps(asdict(proxy)).encode())
        os.replace(draft, path)
    except OSError:
        os.close(held)
        draft.unlink(missing_ok=True)
        raise
    return path, held


def _looked_at(path: Path) -> Running | None:
    try:
        opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        if os.fstat(opened).st_uid != os.getuid():
            return None
        proxy, held = _read(os.read(opened, _LARGEST)), _is_held(opened)
        if _may_go(proxy, held):
            path.unlink(missing_ok=True)
    except OSError:
        return None
    finally:
        os.close(opened)
    return proxy if proxy is not None and _runs(proxy, held) else None


def _runs(proxy: Running, held: bool | None) -> bool:
    """As far as it can be told here. Where there are no locks only a process of this machine counts."""
    return _lives(proxy.pid) and (held is True or (held is None and _is_from_here(proxy)))


def _may_go(proxy: Running | None, held: bool | None) -> bool:
    """Whether it is a leftover of this machine, or of nobody."""
    if held or (proxy is not None and not _is_from_here(proxy)):
        return False
    return held is False or (proxy is not None and not _lives(proxy.pid))


def _is_from_here(proxy: Running) -> bool:
    return proxy.host == platform.node()


def _is_held(opened: int) -> bool | None:
    """Whether a process that runs holds the file; None where there are no locks."""
    try:
        fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    return False


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return False  # of another person, or of nobody
    return True


def _read(content: bytes) -> Running | None:
    """None for what no proxy wrote. An address that is not on this machine is never told, nor asked."""
    try:
        tree = json.loads(content)
    except ValueError:
        return None
    match tree:
        case {"pid": int(pid), "url": str(url), "started": int() | float() as started, "mode": str(mode)} if pid > 0:
            pass
        case _:
            return None
    token, host = tree.get("token"), tree.get("host")
    if not (isinstance(token, str) and isinstance(host, str) and _URL.fullmatch(url)):
        return None
    return Running(pid, url, float(started), mode, token, host)
