"""Bytes as a source of choices: what a fuzzer changes a bit of makes a slightly different input."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, TypeVar

T = TypeVar("T")
_DEEPEST = 5


class Source:
    """An input, read from its beginning. What is past its end is zeros."""

    def __init__(self, given: bytes) -> None:
        self._given = given
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._given) - self._at

    def byte(self) -> int:
        self._at += 1
        return self._given[self._at - 1] if self._at <= len(self._given) else 0

    def below(self, bound: int) -> int:
        return (self.byte() << 8 | self.byte() if bound > 256 else self.byte()) % bound

    def pick(self, choices: Sequence[T]) -> T:
        return choices[self.below(len(choices))]

    def piece(self, most: int = 64) -> bytes:
        size = min(self.below(most + 1), max(self.left, 0))
        self._at += size
        return self._given[self._at - size : self._at]

    def text(self, most: int = 40) -> str:
        """Lone surrogates among it: JSON can carry them."""
        return self.piece(most).decode("utf-8", "surrogateescape" if self.byte() % 8 == 0 else "replace")

    def rest(self) -> bytes:
        self._at, rest = len(self._given), self._given[self._at :]
        return rest

    def cut(self, whole: bytes) -> list[bytes]:
        borders = sorted({0, len(whole), *(self.below(len(whole) + 1) for _ in range(self.below(6)))})
        return [whole[a:b] for a, b in pairwise(borders)]

    def value(self, names: Sequence[str], deep: int = 0) -> Any:
        """Any JSON, whose objects have some of these names."""
        kind = self.below(8 if deep < _DEEPEST else 6)
        if kind == 6:
            return [self.value(names, deep + 1) for _ in range(self.below(4))]
        if kind == 7:
            return {self.name(names): self.value(names, deep + 1) for _ in range(self.below(5))}
        number = self.below(65536)
        return (None, bool(number % 2), number - 9, number / 7, self.pick(names), self.text())[kind]

    def name(self, names: Sequence[str]) -> str:
        return self.pick(names) if self.byte() % 16 else self.text(12)
