"""Which computed prefixes are kept, and how the longest one that fits a prompt is found.

The index is a map from block hashes to entries. Tokens are cut into blocks of `BLOCK`; each block's key hashes its
tokens and the key before it, so that equal keys mean equal prefixes. A lookup hashes the prompt once, block by block,
until no entry goes on, then compares the few candidates there token by token: O(n), however many entries there are.
Keys only find candidates: what is handed out was compared in full.

When the budget (bytes, entries) is passed, what another entry serves as well goes first, as a conversation's state does
its system prompt: that costs nobody anything. Then goes the least recently used. Prompts count as used somewhat later
than they were, system prompts much later: answers go before prompts before system prompts, until those are old. The
newest entry, which is what the next request will ask for, never goes, and those of active sessions go last.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final, Generic

from mlx_worker.prefix_entry import BLOCK, KV, WIDTH, Cut, Entry, Hit, Kind, pack, shared_tokens

GRACE: Final[Mapping[Kind, int]] = {"assistant": 0, "user": 32, "system": 512}
"""By how many uses of the cache an entry counts as younger than it is."""

SHORTEST_HIT: Final = 8
"""Tokens; less is not worth a copy."""

LEFT_BEHIND: Final = 0.75
"""The share of an entry that its session's next one has to begin with to take its place."""


@dataclass(slots=True)
class _Node(Generic[KV]):
    """What is known at one block key: entries that reach it, and those of them that end within the next block."""

    reaching: dict[bytes, Entry[KV]] = field(default_factory=dict)
    ending: dict[bytes, Entry[KV]] = field(default_factory=dict)


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
    """`salt` separates domains: entries stored under one salt are never found under another.

    active: the sessions whose entries go last. dropped: called for every entry that goes, but by `clear`.
    """

    def __init__(self, max_bytes: int, max_entries: int = 256, salt: bytes = b"") -> None:
        self.max_bytes = max_bytes
        self.max_entries = max_entries
        self.active: Collection[str] = ()
        self.dropped: Callable[[Entry[KV]], object] = lambda entry: None
        self._root = blake2b(salt, digest_size=16).digest()
        self._nodes: dict[bytes, _Node[KV]] = {}
        self._entries: dict[bytes, Entry[KV]] = {}
        self._uses = 0
        self._nbytes = self._tokens = self._hit_tokens = self._prompt_tokens = self._evicted = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry[KV]]:
        """From the first to be evicted to the last."""
        return iter(sorted(self._entries.values(), key=self._worth))

    def entries(self) -> Collection[Entry[KV]]:
        """In no order, which takes no time."""
        return self._entries.values()

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
            hit.entry.used = self._use()
        return hit

    def peek(self, tokens: Sequence[int]) -> Hit[KV] | None:
        """As `lookup`, but leaves no trace."""
        packed = pack(tokens[:-1])
        path = [self._root]
        for key in self._keys_after_root(packed):
            if key not in self._nodes:
                break
            path.append(key)
        best: Hit[KV] | None = None
        seen: set[bytes] = set()
        for depth in range(len(path) - 1, -1, -1):
            for hit in self._hits_at(path[depth], depth, packed, seen):
                best = hit if best is None or hit.length > best.length else best
            if best and best.length >= depth * BLOCK:
                break  # who parts earlier shares less
        return best

    def store(
        self,
        tokens: Sequence[int],
        kv: KV,
        *,
        nbytes: int,
        kind: Kind,
        cuts: Mapping[int, Cut] | None = None,
        session: str | None = None,
    ) -> list[Entry[KV]]:
        """Keep a state of `nbytes` without its cuts; returns the entries that had to go for it.

        What alone passes the budget is not kept. Entries that the new one serves as well are dropped for it.
        """
        packed = pack(tokens)
        entry = Entry(packed, (self._root, *self._keys_after_root(packed)), kv, nbytes, kind, cuts, session, 0)
        if not tokens or entry.nbytes > self.max_bytes or self.max_entries < 1:
            return []
        entry.used = self._use()
        self._take_over(entry)
        self._insert(entry)
        return self.shrink(self.max_bytes, keep=entry)

    def shrink(self, max_bytes: int, keep: Entry[KV] | None = None) -> list[Entry[KV]]:
        """Let entries go until the rest fits, but not `keep`; returns those that went."""
        gone: list[Entry[KV]] = []
        while self._nbytes > max_bytes or len(self) > self.max_entries:
            others = [entry for entry in self._entries.values() if entry is not keep]
            if not others:
                break
            oldest = min(others, key=self._worth)
            self.remove(oldest)
            gone.append(oldest)
        self._evicted += len(gone)
        return gone

    def remove(self, entry: Entry[KV]) -> None:
        """Forget an entry that is in the cache."""
        self._nodes[entry.keys[-1]].ending.pop(entry.serial)
        for key in entry.keys:
            node = self._nodes[key]
            node.reaching.pop(entry.serial)
            if not node.reaching:
                del self._nodes[key]
        del self._entries[entry.serial]
        self._nbytes -= entry.nbytes
        self._tokens -= len(entry)
        self.dropped(entry)

    def clear(self) -> None:
        self._nodes.clear()
        self._entries.clear()
        self._nbytes = self._tokens = 0

    def _use(self) -> int:
        self._uses += 1
        return self._uses

    def _worth(self, entry: Entry[KV]) -> tuple[bool, bool, int]:
        return not self._served_by_others(entry), entry.session in self.active, entry.used + GRACE[entry.kind]

    def _served_by_others(self, entry: Entry[KV]) -> bool:
        """Whether all but a few of its tokens are left when it goes.

        Only entries that share its blocks up to there are looked at: it is asked of every entry whenever one must go.
        """
        enough = len(entry) - SHORTEST_HIT + 1
        if enough <= 0:
            return True
        known = enough // BLOCK * BLOCK * WIDTH
        rest = entry.packed[known : enough * WIDTH]
        return any(
            other is not entry
            and other.packed.startswith(rest, known)
            and other.usable(shared_tokens(entry.packed, other.packed, known)) >= enough
            for other in self._nodes[entry.keys[enough // BLOCK]].reaching.values()
        )

    def _keys_after_root(self, packed: bytes) -> Iterator[bytes]:
        key, step = self._root, BLOCK * WIDTH
        for start in range(0, len(packed) - step + 1, step):
            key = blake2b(packed[start : start + step], digest_size=16, key=key).digest()
            yield key

    def _hits_at(self, key: bytes, depth: int, packed: bytes, seen: set[bytes]) -> Iterator[Hit[KV]]:
        """Of the entries that share `depth` blocks with the prompt and no more. seen: those that share more."""
        node = self._nodes.get(key)
        known = depth * BLOCK * WIDTH
        for serial, entry in node.reaching.items() if node else ():
            if serial in seen:
                continue
            seen.add(serial)
            length = entry.usable(shared_tokens(entry.packed, packed, known))
            if length >= SHORTEST_HIT and entry.packed[:known] == packed[:known]:
                yield Hit(entry, length)

    def _take_over(self, newer: Entry[KV]) -> None:
        """Drop what the new entry serves as well, and take its cuts. System prompts outlive the conversation.

        So does what a session leaves behind when its history comes back a little changed at its end, as an answer does
        whose calls the client wrote anew: nobody will ask for that end again.
        """
        if same := self._entries.get(newer.serial):
            self.remove(same)
        for key in newer.keys:
            node = self._nodes.get(key)
            for entry in list(node.ending.values()) if node else ():
                if entry.kind == "system" or not newer.packed.startswith(entry.packed):
                    continue
                if newer.cuts is None or entry.cuts is not None:
                    newer.inherit(entry)
                    self.remove(entry)
        for entry in [each for each in self._entries.values() if _is_left_behind(each, newer)]:
            self.remove(entry)

    def _insert(self, entry: Entry[KV]) -> None:
        for key in entry.keys:
            self._nodes.setdefault(key, _Node()).reaching[entry.serial] = entry
        self._nodes[entry.keys[-1]].ending[entry.serial] = entry
        self._entries[entry.serial] = entry
        self._nbytes += entry.nbytes
        self._tokens += len(entry)


def _is_left_behind(entry: Entry[KV], newer: Entry[KV]) -> bool:
    """Whether its session has gone on to the newer one, which serves all that the two have in common."""
    if newer.session is None or entry.session != newer.session or entry.kind == "system" or newer.kind == "system":
        return False
    shared = shared_tokens(entry.packed, newer.packed, 0)
    return shared >= len(entry) * LEFT_BEHIND and newer.usable(shared) >= entry.usable(shared)
