"""What the prefix cache holds, in the words of GET /cache.

The cache knows tokens and counts its uses. Here its entries get the name of the system prompt that they begin with,
which only the requests know, and the time of their last use, as exactly as this is called often.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

from mlx_worker.engine import CachedPrefix
from mlx_worker.generation import Generation
from mlx_worker.prefix_entry import Entry, pack

MOST_NAMES: Final = 256


@dataclass(slots=True)
class _Known:
    """What was found out about an entry before. looked: how many names there had been then."""

    name: str
    system_hash: str | None = None
    looked: int = 0
    used: int = -1
    at: float = 0.0


class PrefixList:
    """One engine's. Called on the engine's thread alone."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._names: OrderedDict[bytes, str] = OrderedDict()
        self._learned = 0
        self._known: dict[tuple[str, bytes], _Known] = {}

    def name(self, generation: Generation) -> None:
        """Learn what the beginning of a prompt is called."""
        prompt = generation.prompt
        if not (generation.system_hash and prompt.system_end):
            return
        beginning = pack(prompt.tokens[: prompt.system_end])
        self._learned += self._names.get(beginning) != generation.system_hash
        self._names[beginning] = generation.system_hash
        self._names.move_to_end(beginning)
        if len(self._names) > MOST_NAMES:
            self._names.popitem(last=False)

    def look(self, entries: Iterable[tuple[str, Entry[Any]]]) -> Sequence[CachedPrefix]:
        """The list of now, the latest used first. Entries come with the name of their tier."""
        now, before, self._known = self._clock(), self._known, {}
        found = []
        for tier, entry in entries:
            key = (tier, entry.serial)
            known = self._known[key] = before.get(key) or _Known(_name_of(entry))
            if known.used != entry.used:
                known.used, known.at = entry.used, now
            if known.system_hash is None and known.looked != self._learned:
                known.system_hash, known.looked = self._system_hash(entry), self._learned
            found.append(_listed(tier, entry, known))
        return sorted(found, key=lambda one: one.last_used, reverse=True)

    def _system_hash(self, entry: Entry[Any]) -> str | None:
        names = ((len(start), name) for start, name in self._names.items() if entry.packed.startswith(start))
        return max(names, default=(0, None))[1]


def _name_of(entry: Entry[Any]) -> str:
    return blake2b(entry.serial, digest_size=16).hexdigest()


def _listed(tier: str, entry: Entry[Any], known: _Known) -> CachedPrefix:
    return CachedPrefix(
        hash=known.name,
        system_hash=known.system_hash,
        session=entry.session,
        tokens=len(entry),
        nbytes=entry.nbytes,
        kind=entry.kind,
        tier=tier,
        last_used=known.at,
    )
