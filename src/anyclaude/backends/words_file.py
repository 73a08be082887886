"""`~/.anyclaude/own-words.json`: what Claude Code made different in calls, for the proxy after this one.

Not the calls themselves: changes (`convert.rewriting`), by a digest of a call's id and of its input as Claude Code
sends it, so that none is ever taken for another call's. Nearly all are names of arguments and white space; a value that
was changed beyond the rules stands there as the model wrote it, as it does in Claude Code's own transcripts.

Read once and written by threads of its own. Several proxies share the file: each writing adds to what is there.
Whatever fails is said once, and costs no answer: the prompt is then computed anew.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from anyclaude.config.files import LARGEST, read
from anyclaude.config.own_files import locked, replace_private
from anyclaude.convert.rewriting import Change, rewritten_back
from anyclaude.errors import SetupError
from anyclaude.wire.json import decode_lenient, encode

NAME: Final = "own-words.json"
LABEL: Final = f"~/.anyclaude/{NAME}"

MOST_BYTES: Final = LARGEST - 1000
"""Of the file: some thousand calls. The oldest go first."""

_MOST_OF_ONE: Final = 16 * 1024  # bytes of one change
_OLDEST: Final = 30 * 86_400  # seconds since it was last of use
_DAY: Final = 86_400  # seconds after which it is said that one is still of use
_LATEST: Final = 1e11  # seconds since the epoch that any clock may say
_DELAY: Final = 1.0  # seconds in which changes gather before they are written
_PATIENCE: Final = 2.0  # seconds that requests wait for the file to be read
_LOCK_DEADLINE: Final = 2.0  # seconds that another proxy may take to write it

Entries = Mapping[str, tuple[float, Change]]
"""By digest, when each was last of use, in seconds since the epoch, and what was changed."""

log = logging.getLogger(__name__)


class WordsFile:
    """folder: `settings.home`. clock: seconds since the epoch."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time, delay: float = _DELAY) -> None:
        self._folder, self._clock, self._delay = folder, clock, delay
        self._known: Entries = {}
        self._new: dict[str, tuple[float, Change]] = {}
        self._gathering, self._writing = threading.Lock(), threading.Lock()
        self._timer: threading.Timer | None = None
        self._loading: tuple[asyncio.Future[None], float] | None = None
        self._told = False

    async def loaded(self) -> None:
        """Return when the file has been read, or is too slow to be waited for."""
        now = asyncio.get_running_loop().time()
        if self._loading is None:
            self._loading = asyncio.ensure_future(asyncio.to_thread(self._load)), now + _PATIENCE
        reading, until = self._loading
        if not reading.done() and now < until:
            await asyncio.wait([reading], timeout=until - now)

    def original(self, call: str, now: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The input of a call as the model wrote it, of which Claude Code made `now`; None where nothing is known."""
        if not self._known:
            return None
        name = _name(call, now)
        at, change = self._known.get(name, (0.0, None))
        if change is None:
            return None
        if self._clock() - at > _DAY:
            self._put(name, change)
        try:
            back = rewritten_back(change, now)
        except ValueError:
            return None
        return back if isinstance(back, dict) else None

    def note(self, call: str, now: Mapping[str, Any], change: Change) -> None:
        """Keep what was changed; it is written in a while."""
        if change is not None and len(encode(change)) <= _MOST_OF_ONE:
            self._put(_name(call, now), change)

    async def flush(self) -> None:
        """Write what has not been written."""
        with self._gathering:
            timer = self._timer
        if timer is not None:
            timer.cancel()
        if timer is not None or self._writing.locked():
            await asyncio.to_thread(self._write)

    def _put(self, name: str, change: Change) -> None:
        with self._gathering:
            self._new[name] = self._clock(), change
            if self._timer is None:
                self._timer = threading.Timer(self._delay, self._write)
                self._timer.daemon = True
                self._timer.start()

    def _load(self) -> None:
        try:
            self._known = {**self._read(), **self._known}
        except SetupError as error:
            self._tell(error.message)

    def _write(self) -> None:
        with self._writing:
            with self._gathering:
                new, self._new, self._timer = self._new, {}, None
            try:
                if new:
                    self._add(new)
            except SetupError as error:
                self._tell(error.message)

    def _add(self, new: Entries) -> None:
        """Raises SetupError."""
        path = self._path()
        with locked(path, _LOCK_DEADLINE):
            try:
                there = self._read()
            except SetupError as error:
                self._tell(error.message)
                there = {}
            kept = self._bounded({**there, **new})
            replace_private(path, encode({"calls": kept}))
        self._known = kept

    def _bounded(self, entries: Entries) -> dict[str, tuple[float, Change]]:
        """The latest of them."""
        now, room, kept = self._clock(), MOST_BYTES, {}
        for name, (at, change) in sorted(entries.items(), key=lambda entry: -entry[1][0]):
            room -= len(encode([name, at, change])) + 2
            if room < 0 or now - at > _OLDEST:
                break
            kept[name] = min(at, now), change
        return kept

    def _read(self) -> Entries:
        """What is there. Raises SetupError for a file that is damaged."""
        found = read(self._path(), LABEL)
        if found is None:
            return {}
        tree = decode_lenient(found.content)
        calls = tree.get("calls") if isinstance(tree, Mapping) else None
        if not isinstance(calls, Mapping) or not all(map(_is_entry, calls.values())):
            raise SetupError(f"{LABEL} is damaged and begun anew")
        return {name: (at, change) for name, (at, change) in calls.items()}

    def _path(self) -> Path:
        """Raises SetupError when there is no home directory."""
        try:
            return self._folder.expanduser() / NAME
        except RuntimeError:
            raise SetupError("there is no home directory") from None

    def _tell(self, why: str) -> None:
        if not self._told:
            self._told = True
            log.warning("the models' own words are not kept for the next start, so prompts may part there: %s", why)


def _name(call: str, now: Mapping[str, Any]) -> str:
    return blake2b(b"\0".join([encode(call), encode(now)]), digest_size=16).hexdigest()


def _is_entry(entry: object) -> bool:
    match entry:
        case [int() | float() as at, Mapping()]:
            return 0 <= at < _LATEST
    return False
