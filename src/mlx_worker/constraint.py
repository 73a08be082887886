"""Holding an answer to a grammar while it is written: which tokens may come next.

A `Constraint` follows one sequence through its `Grammar` (`grammars` makes them):

- free: reasoning, and text that may hold calls. Nothing is masked; the text is watched for the marker that opens a call
  or ends the reasoning. Where the answer must not end yet, the end of the turn alone is masked.
- held: inside a call, or an answer of a required shape. llguidance says which tokens may come, the end of the turn
  among them only where the grammar is complete.
- over: the answer is complete, only the end of the turn may come.

llguidance bounds what a step may cost. Should it give up on a grammar, the turn ends there: an answer that was cut.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from llguidance import LLMatcher, LLTokenizer

log = logging.getLogger("mlx_worker")

Marker = Literal["call", "think_end"]


@dataclass(frozen=True, slots=True)
class Grammar:
    """`call`: from behind a call's opening marker to its closing one. `whole`: the answer but for its reasoning, None:
    text and calls as the model likes. `again`: free text may follow a call."""

    call: LLMatcher | None
    whole: LLMatcher | None
    again: bool


class Vocabulary:
    """A tokenizer's tokens and the model's markers. Masks have one bit a token, the lowest first."""

    def __init__(
        self, tokens: LLTokenizer, *, call_start: str = "", think_start: str = "", think_end: str = ""
    ) -> None:
        self.tokens = tokens
        self.ends = tuple(tokens.eos_tokens)
        self.think_start = self.single(think_start)
        self.markers: dict[Marker, bytes] = {}
        if call_start:
            self.markers["call"] = call_start.encode()
        if think_end:
            self.markers["think_end"] = think_end.encode()
        size = (tokens.vocab_size + 7) // 8
        self.only_end = with_bits(bytes(size), self.ends)
        self.all_but_end = bytes(0xFF ^ byte for byte in self.only_end)

    def bytes_of(self, token: int) -> bytes:
        """Of one token; of a part of a character too."""
        return self.tokens.decode_bytes([token])

    def single(self, text: str) -> int | None:
        """The token that is this text."""
        found = self.tokens.tokenize_str(text) if text else []
        return found[0] if len(found) == 1 else None


def with_bits(mask: bytes, tokens: Sequence[int]) -> bytes:
    changed = bytearray(mask)
    for token in tokens:
        changed[token // 8] |= 1 << token % 8
    return bytes(changed)


class Watch:
    """Looks for markers in text that comes in pieces."""

    def __init__(self, markers: dict[Marker, bytes]) -> None:
        self._markers = markers
        self._keep = max(map(len, markers.values()), default=1) - 1
        self._tail = b""

    def feed(self, piece: bytes) -> tuple[Marker, bytes] | None:
        """The first marker that is whole now, and what came after it."""
        text = self._tail + piece
        found = [(place, name) for name, marker in self._markers.items() if (place := text.find(marker)) >= 0]
        if not found:
            self._tail = text[max(len(text) - self._keep, 0) :]
            return None
        place, name = min(found)
        return name, text[place + len(self._markers[name]) :]


class Constraint:
    """`held`: the latest token was written under the grammar, or opened what is.

    `thinking`: the answer starts inside reasoning. `may_think`: it may start with reasoning.
    """

    def __init__(self, grammar: Grammar, words: Vocabulary, *, thinking: bool = False, may_think: bool = False) -> None:
        self._grammar, self._words = grammar, words
        self._matcher: LLMatcher | None = None
        self._watch: Watch | None = None
        self._may_think = False
        self.held = False
        if grammar.whole is None or thinking:
            self._watch_again(reasoning=grammar.whole is not None)
        else:
            self._matcher = grammar.whole.deep_copy()
            self._may_think = may_think and words.think_start is not None

    def allowed(self) -> bytes | None:
        """The mask of the next token, None: any. Never empty."""
        if self._watch is not None:
            return None if self._grammar.whole is None else self._words.all_but_end
        if self._matcher is None:
            return self._words.only_end
        mask = self._matcher.compute_bitmask()
        if self._matcher.is_error():
            self._give_up()
            return self._words.only_end
        return with_bits(mask, [self._words.think_start or 0]) if self._may_think else mask

    def advance(self, token: int) -> None:
        self.held = self._matcher is not None
        if self._watch is not None:
            self._look(self._watch, token)
        elif self._may_think and token == self._words.think_start:
            self._watch_again(reasoning=True)
            self.held = False
        elif self._matcher is not None:
            self._consume(self._matcher, token)
        self._may_think = False

    def _watch_again(self, *, reasoning: bool) -> None:
        watched = {"think_end": reasoning, "call": self._grammar.call is not None}
        self._matcher = None
        self._watch = Watch({name: text for name, text in self._words.markers.items() if watched[name]})

    def _look(self, watch: Watch, token: int) -> None:
        found = watch.feed(self._words.tokens.decode_bytes([token]))
        if found is None:
            return
        marker, rest = found
        prototype = self._grammar.call if marker == "call" else self._grammar.whole
        assert prototype is not None
        matcher = prototype.deep_copy()
        if matcher.consume_tokens(self._words.tokens.tokenize_bytes(rest)):
            self._watch, self._matcher, self.held = None, matcher, marker == "call"
        elif marker == "think_end":
            self._watch, self._matcher = None, prototype.deep_copy()
        else:  # the token that ends the marker begins what is no call: it goes on as the model likes
            self._watch_again(reasoning=self._grammar.whole is not None)

    def _consume(self, matcher: LLMatcher, token: int) -> None:
        matcher.consume_token(token)
        if matcher.is_error():
            self._give_up()
        elif matcher.is_stopped():
            self._matcher = None
            if self._grammar.again:
                self._watch_again(reasoning=False)

    def _give_up(self) -> None:
        assert self._matcher is not None
        log.warning(
            "a grammar could not be followed, the answer ends here: %s", self._matcher.get_error().split("\n")[0][:300]
        )
        self._matcher = None
