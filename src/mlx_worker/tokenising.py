"""Tokens of texts that mostly came before: what was tokenised once is remembered, piece by piece.

A tokenizer splits a text at its added tokens (`<|im_start|>`) before it does anything else, and looks at what lies
between them each by itself. So a text may be cut before such a token, and the tokens of its pieces, one after the
other, are the tokens of the whole. A conversation is mostly the pieces of the turn before; a new one begins with the
piece that holds system prompt and tools.

Where pieces end depends on nothing that follows them. A tokenizer without such tokens is given the whole text.
"""

import string
import sys
import threading
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Final

Encode = Callable[[str], Sequence[int]]

REMEMBERED: Final = 16 * 1024 * 1024
"""Bytes of text and tokens: some three million tokens of English."""
LARGEST_SHARE: Final = 8
"""One piece takes an eighth of it at most: a text that is only counted does not drive all others out."""
SHORTEST: Final = 256
"""Characters of a piece, but for the last one: a hostile text is not cut into millions."""
ENTRY: Final = 300
"""Bytes that an entry takes beside its text and tokens, about."""
BEGINNINGS: Final = frozenset(string.punctuation) - {"_"}
SAMPLES: Final = ("", "a", "word ", " \n\n", "  é1", "\n\tx<")


class RememberedTokens:
    """Encodes as `encode` does, which must give the same tokens whether a text is cut before one of `cuts` or not.

    May be asked from any thread, if `encode` may.
    """

    def __init__(
        self, encode: Encode, cuts: Sequence[str], *, limit: int = REMEMBERED, shortest: int = SHORTEST
    ) -> None:
        self._encode, self._cuts, self._limit, self._shortest = encode, tuple(cuts), limit, shortest
        self._known: OrderedDict[str, array[int]] = OrderedDict()
        self._nbytes = 0
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        return self._nbytes

    def encode(self, text: str) -> "array[int]":
        tokens = array("I")
        for piece in pieces(text, self._cuts, self._shortest):
            tokens += self._tokens(piece)
        return tokens

    def forget(self) -> None:
        with self._lock:
            self._known.clear()
            self._nbytes = 0

    def _tokens(self, piece: str) -> "array[int]":
        with self._lock:
            if (known := self._known.get(piece)) is not None:
                self._known.move_to_end(piece)
                return known
        found = array("I", self._encode(piece))
        self._remember(piece, found)
        return found

    def _remember(self, piece: str, tokens: "array[int]") -> None:
        if _size(piece, tokens) > self._limit // LARGEST_SHARE:
            return
        with self._lock:
            if piece not in self._known:
                self._known[piece] = tokens
                self._nbytes += _size(piece, tokens)
            while self._nbytes > self._limit:
                self._nbytes -= _size(*self._known.popitem(last=False))


def _size(piece: str, tokens: "array[int]") -> int:
    return sys.getsizeof(piece) + len(tokens) * tokens.itemsize + ENTRY


def pieces(text: str, cuts: Sequence[str], shortest: int = SHORTEST) -> Iterator[str]:
    """The text, cut before the first of `cuts` that comes `shortest` characters or more into a piece."""
    ends = [0]
    for place in sorted(place for cut in cuts for place in _places(text, cut)):
        if place - ends[-1] >= shortest:
            ends.append(place)
    return (text[start:end] for start, end in pairwise([*ends, len(text)]))


def _places(text: str, word: str) -> Iterator[int]:
    place = text.find(word)
    while place >= 0:
        yield place
        place = text.find(word, place + len(word))


def cuts_of(tokenizer: Any, shown: str, encode: Encode) -> tuple[str, ...]:
    """The tokens in `shown`, the text of a template, before which every text may be cut. None for a tokenizer that is
    not written in Rust: of those nobody knows what they do.

    encode: the tokenizer's, to try each of them before it is believed.
    """
    if not tokenizer.is_fast or getattr(tokenizer, "split_special_tokens", False):
        return ()
    added = list(tokenizer.added_tokens_decoder.values())
    odd = {token.content for token in added if token.lstrip or token.single_word or token.normalized}
    words = {token.content for token in added}
    found = [word for word in words - odd if word in shown and _stands_alone(word, words)]
    return tuple(sorted(word for word in found if _holds(encode, word)))


def _stands_alone(word: str, words: set[str]) -> bool:
    """Wherever the word is, the tokenizer finds it, and what comes before is read as if it were the end of the text.

    So no other token may hold it, go on from it, or end in its beginning; and it may begin neither with white space,
    which a token to its left can swallow, nor with a letter, before which tokens that are whole words are none.
    """
    if word[:1] not in BEGINNINGS:
        return False
    starts = [word[:length] for length in range(1, len(word))]
    return not any(
        (word in other and word != other) or any(len(other) > len(start) and other.endswith(start) for start in starts)
        for other in words
        if word[0] in other[1:] or other.startswith(word)
    )


def _holds(encode: Encode, word: str) -> bool:
    return all(
        [*encode(before + word + after)] == [*encode(before), *encode(word + after)]
        for before in SAMPLES
        for after in SAMPLES
    )
