"""One computed prefix, and what of a prompt it serves. Knows nothing of arrays.

Plain attention can be cut back anywhere: the state of `a b c d` also serves a prompt that starts `a b x`. Recurrent
layers and full sliding windows only know their last state, so for them a copy is kept at a few lengths, the cuts.
"""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, TypeVar

KV = TypeVar("KV")
Kind = Literal["assistant", "user", "system"]

BLOCK: Final = 32
MOST_CUTS: Final = 4
WIDTH: Final = 4
"""Bytes a packed token."""


@dataclass(frozen=True, slots=True)
class Cut:
    """What has to be put into a copy of a state to cut it back to some length, and its bytes.

    lasting: made where later requests are known to start, and not where this one happened to end.
    """

    state: Any
    nbytes: int
    lasting: bool = False


@dataclass(slots=True, eq=False)
class Entry(Generic[KV]):
    """`packed` is the token sequence, four bytes a token; `keys` the block keys from the root on.

    body: bytes of the state without its cuts. cuts: by length, the whole one among them; None: it needs none, anywhere.
    session: whose request left it. used: when it was used last, in uses of the cache.
    """

    packed: bytes
    keys: tuple[bytes, ...]
    kv: KV
    body: int
    kind: Kind
    cuts: Mapping[int, Cut] | None
    session: str | None
    used: int

    def __len__(self) -> int:
        return len(self.packed) // WIDTH

    @property
    def serial(self) -> bytes:
        """A short name of the whole sequence."""
        return self.keys[-1] + self.packed[(len(self.keys) - 1) * BLOCK * WIDTH :]

    @property
    def nbytes(self) -> int:
        return self.body + sum(cut.nbytes for cut in (self.cuts or {}).values())

    @property
    def tokens(self) -> "array[int]":
        return unpack(self.packed)

    def usable(self, shared: int) -> int:
        """Tokens of a prompt that it serves, which shares so many of its tokens."""
        if self.cuts is None:
            return shared
        return max((length for length in self.cuts if length <= shared), default=0)

    def inherit(self, older: "Entry[KV]") -> None:
        """Take the cuts of an entry that this one starts with, as far as they are worth it."""
        if self.cuts is not None and older.cuts is not None:
            lasting = {length: cut for length, cut in older.cuts.items() if cut.lasting}
            self.cuts = worthwhile({**older.cuts, **self.cuts, **lasting})


@dataclass(frozen=True, slots=True)
class Hit(Generic[KV]):
    """`length` tokens of the prompt are computed in `entry.kv`, which is to be copied and cut back to them."""

    entry: Entry[KV]
    length: int

    @property
    def cut(self) -> Cut | None:
        """What has to be put into the copy, None where it can be cut as it is."""
        return self.entry.cuts[self.length] if self.entry.cuts is not None else None


def worthwhile(cuts: Mapping[int, Cut]) -> dict[int, Cut]:
    """The few that are worth their bytes: the longest, and always the longest of those that last."""
    kept = sorted(cuts)[-MOST_CUTS:]
    lasting = max((length for length, cut in cuts.items() if cut.lasting), default=kept[0])
    return {length: cuts[length] for length in [min(lasting, kept[0]), *kept[1:]]}


def pack(tokens: Sequence[int]) -> bytes:
    return array("I", tokens).tobytes()


def unpack(packed: bytes) -> "array[int]":
    return array("I", packed)


def shared_tokens(one: bytes, other: bytes, known: int) -> int:
    """Tokens that both begin with, given that their first `known` bytes are the same. Bisects on slices."""
    low, high = known // WIDTH, min(len(one), len(other)) // WIDTH
    while low < high:
        middle = (low + high + 1) // 2
        if one[low * WIDTH : middle * WIDTH] == other[low * WIDTH : middle * WIDTH]:
            low = middle
        else:
            high = middle - 1
    return low
