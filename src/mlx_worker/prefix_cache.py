"""Which computed prefixes are kept, and how the longest one that fits a prompt is found. Knows nothing of arrays.

An entry is a token sequence with the opaque state (KV) that computing it left behind. Two kinds of state:

- trimmable (plain attention): the state of `a b c d` also serves a prompt that starts `a b x`, cut back to `a b`;
- fixed (recurrent, sliding window past its size): it serves only prompts that start with the whole sequence.

The index is a map from block hashes to entries. Tokens are cut into blocks of `BLOCK`; each block's key hashes its
tokens and the key before it, so that equal keys mean equal prefixes. A lookup hashes the prompt once, block by block,
until no entry goes on, then compares the few candidates there token by token: O(n), however many entries there are.
Keys only find candidates: what is handed out was compared in full.

When the budget (bytes, entries) is passed, the least recently used entry goes, answers before prompts before system
prompts; never the newest one, which is what the next request will ask for.
"""

from array import array
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Generic, Literal, TypeVar

KV = TypeVar("KV")
Kind = Literal["assistant", "user", "system"]
EVICTION_ORDER: tuple[Kind, ...] = ("assistant", "user", "system")

BLOCK = 32
SHORTEST_HIT = 8  # tokens; less is not worth a copy
_WIDTH = 4  # bytes a token


@dataclass(frozen=True, slots=True, eq=False)
class Entry(Generic[KV]):
    """`packed` is the token sequence, four bytes a token; `keys` the block keys from the root on."""

    packed: bytes
    keys: tuple[bytes, ...]
    kv: KV
    nbytes: int
    kind: Kind
    trimmable: bool

    def __len__(self) -> int:
        return len(self.packed) // _WIDTH

    @property
    def serial(self) -> bytes:
        """A short name of the whole sequence."""
        return self.keys[-1] + self.packed[(len(self.keys) - 1) * BLOCK * _WIDTH :]


@dataclass(frozen=True, slots=True)
class Hit(Generic[KV]):
    """`length` tokens of the prompt are computed in `entry.kv`, which is to be copied and cut back to them."""

    entry: Entry[KV]
    length: int


@dataclass(slots=True)
class _Node(Generic[KV]):
    """What is known at one block key: trimmable entries that reach it, and entries that end within the next block."""

    reaching: dict[bytes, Entry[KV]] = field(default_factory=dict)
    ending: dict[bytes, Entry[KV]] = field(default_factory=dict)
    entries: int = 0


@dataclass(frozen=True, slots=True)
class CacheFigures:
    """`tokens` is the sum over entries; `hit_tokens` of `prompt_tokens` came from the cache since the start."""

    entries: int
    nbytes: int
    limit: int
    tokens: int
    hit_tokens: int
    prompt_tokens: int
    evicted: int


class PrefixCache(Generic[KV]):
    """`salt` separates domains: entries stored under one salt are never found under another."""

    def __init__(self, max_bytes: int, max_entries: int = 256, salt: bytes = b"") -> None:
        self.max_bytes = max_bytes
        self.max_entries = max_entries
        self._root = blake2b(salt, digest_size=16).digest()
        self._nodes: dict[bytes, _Node[KV]] = {}
        self._recent: dict[Kind, OrderedDict[bytes, Entry[KV]]] = {k: OrderedDict() for k in EVICTION_ORDER}
        self._nbytes = self._tokens = self._hit_tokens = self._prompt_tokens = self._evicted = 0

    def __len__(self) -> int:
        return sum(len(entries) for entries in self._recent.values())

    def __iter__(self) -> Iterator[Entry[KV]]:
        """From the first to be evicted to the last."""
        for kind in EVICTION_ORDER:
            yield from self._recent[kind].values()

    def figures(self) -> CacheFigures:
        return CacheFigures(
            entries=len(self),
            nbytes=self._nbytes,
            limit=self.max_bytes,
            tokens=self._tokens,
            hit_tokens=self._hit_tokens,
            prompt_tokens=self._prompt_tokens,
            evicted=self._evicted,
        )

    def lookup(self, tokens: Sequence[int]) -> Hit[KV] | None:
        """The longest computed prefix of a prompt; counts as a use of its entry.

        The last token is never part of a hit: something must be left to compute, or there is nothing to sample from.
        """
        self._prompt_tokens += len(tokens)
        hit = self.peek(tokens)
        if hit is not None:
            self._hit_tokens += hit.length
            self._recent[hit.entry.kind].move_to_end(hit.entry.serial)
        return hit

    def peek(self, tokens: Sequence[int]) -> Hit[KV] | None:
        """As `lookup`, but leaves no trace."""
        packed = _pack(tokens[:-1])
        path = [self._root]
        for key in self._keys_after_root(packed):
            if key not in self._nodes:
                break
            path.append(key)
        for depth in range(len(path) - 1, -1, -1):
            if hit := self._best_at(path[depth], depth, packed):
                return hit
        return None

    def store(self, tokens: Sequence[int], kv: KV, *, nbytes: int, kind: Kind, trimmable: bool) -> list[Entry[KV]]:
        """Keep a state; returns the entries that had to go for it. What alone passes the budget is not kept."""
        if not tokens or nbytes > self.max_bytes or self.max_entries < 1:
            return []
        packed = _pack(tokens)
        entry = Entry(packed, (self._root, *self._keys_after_root(packed)), kv, nbytes, kind, trimmable)
        self._drop_covered(entry)
        self._insert(entry)
        return self._evict(keep=entry)

    def clear(self) -> None:
        self._nodes.clear()
        for entries in self._recent.values():
            entries.clear()
        self._nbytes = self._tokens = 0

    def _keys_after_root(self, packed: bytes) -> Iterator[bytes]:
        key, step = self._root, BLOCK * _WIDTH
        for start in range(0, len(packed) - step + 1, step):
            key = blake2b(packed[start : start + step], digest_size=16, key=key).digest()
            yield key

    def _best_at(self, key: bytes, depth: int, packed: bytes) -> Hit[KV] | None:
        node = self._nodes.get(key)
        if node is None:
            return None
        known = depth * BLOCK * _WIDTH
        found = [Hit(entry, _usable(entry, packed, known)) for entry in (node.reaching | node.ending).values()]
        found.sort(key=lambda hit: hit.length, reverse=True)
        worthy = (hit for hit in found if hit.length >= SHORTEST_HIT)
        return next((hit for hit in worthy if hit.entry.packed[:known] == packed[:known]), None)

    def _drop_covered(self, newer: Entry[KV]) -> None:
        """A trimmable state serves all that its prefixes did. System prompts stay: they outlive the conversation."""
        for entries in self._recent.values():
            if same := entries.get(newer.serial):
                self._remove(same)
        for key in newer.keys if newer.trimmable else ():
            node = self._nodes.get(key)
            for entry in list(node.ending.values()) if node else ():
                if entry.kind != "system" and newer.packed.startswith(entry.packed):
                    self._remove(entry)

    def _insert(self, entry: Entry[KV]) -> None:
        for key in entry.keys:
            node = self._nodes.setdefault(key, _Node())
            node.entries += 1
            if entry.trimmable:
                node.reaching[entry.serial] = entry
        self._nodes[entry.keys[-1]].ending[entry.serial] = entry
        self._recent[entry.kind][entry.serial] = entry
        self._nbytes += entry.nbytes
        self._tokens += len(entry)

    def _remove(self, entry: Entry[KV]) -> None:
        self._nodes[entry.keys[-1]].ending.pop(entry.serial)
        for key in entry.keys:
            node = self._nodes[key]
            node.entries -= 1
            node.reaching.pop(entry.serial, None)
            if not node.entries:
                del self._nodes[key]
        del self._recent[entry.kind][entry.serial]
        self._nbytes -= entry.nbytes
        self._tokens -= len(entry)

    def _evict(self, keep: Entry[KV]) -> list[Entry[KV]]:
        gone: list[Entry[KV]] = []
        while self._nbytes > self.max_bytes or len(self) > self.max_entries:
            oldest = next(entry for entry in self if entry is not keep)
            self._remove(oldest)
            gone.append(oldest)
        self._evicted += len(gone)
        return gone


def _pack(tokens: Sequence[int]) -> bytes:
    return array("I", tokens).tobytes()


def _usable(entry: Entry[KV], packed: bytes, known: int) -> int:
    """Tokens of the prompt that the entry serves, given that the first `known` bytes are the same."""
    if not entry.trimmable:
        return len(entry) if len(entry.packed) <= len(packed) and packed.startswith(entry.packed) else 0
    end = known
    limit = min(len(entry.packed), len(packed))
    while end < limit and entry.packed[end : end + _WIDTH] == packed[end : end + _WIDTH]:
        end += _WIDTH
    return end // _WIDTH
