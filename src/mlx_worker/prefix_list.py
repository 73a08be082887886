"""What the prefix cache holds, in the words of GET /cache.

The cache knows tokens and counts its uses. Here its entries get the name of the system prompt that they begin with,
which only the requests know, and the time of their last use, as exactly as this is called often.
"""

import time
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, Protocol

from mlx_worker.engine import CachedPrefix, Generation

MOST_NAMES: Final = 256


class Listed(Protocol):
    """What is asked of an entry of the cache. serial: tells it from all others; used: grows with every use."""

    @property
    def packed(self) -> bytes: ...
    @property
    def serial(self) -> bytes: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def kind(self) -> str: ...
    def __len__(self) -> int: ...


@dataclass(slots=True)
class _Known:
    """What was found out about an entry once; `used` and `at` change with its uses."""

    name: str
    system_hash: str | None
    used: object
    at: float


class PrefixList:
    """One engine's. Called on the engine's thread alone."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._names: OrderedDict[bytes, str] = OrderedDict()
        self._known: dict[bytes, _Known] = {}

    def name(self, generation: Generation) -> None:
        """Learn what the beginning of a prompt is called."""
        prompt = generation.prompt
        if not (generation.system_hash and prompt.system_end):
            return
        beginning = array("I", prompt.tokens[: prompt.system_end]).tobytes()
        self._names[beginning] = generation.system_hash
        self._names.move_to_end(beginning)
        if len(self._names) > MOST_NAMES:
            self._names.popitem(last=False)

    def look(self, entries: Iterable[Any]) -> Sequence[CachedPrefix]:
        """The list of now, the latest used first. Entries are those of `prefix_cache`."""
        now, before, self._known = self._clock(), self._known, {}
        found = []
        for entry in entries:
            known = before.get(entry.serial) or self._meet(entry)
            used = getattr(entry, "used", None)
            if known.used != used or not known.at:
                known.used, known.at = used, now
            self._known[entry.serial] = known
            found.append(_listed(entry, known))
        return sorted(found, key=lambda one: one.last_used, reverse=True)

    def _meet(self, entry: Listed) -> _Known:
        names = ((len(start), name) for start, name in self._names.items() if entry.packed.startswith(start))
        _, system_hash = max(names, default=(0, None))
        return _Known(blake2b(entry.serial, digest_size=16).hexdigest(), system_hash, None, 0.0)


def _listed(entry: Any, known: _Known) -> CachedPrefix:
    return CachedPrefix(
        hash=known.name,
        system_hash=known.system_hash,
        session=getattr(entry, "session", None),
        tokens=len(entry),
        nbytes=entry.nbytes,
        kind=entry.kind,
        tier="memory",
        last_used=known.at,
    )
