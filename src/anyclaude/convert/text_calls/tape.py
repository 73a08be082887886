"""The text of an answer as it comes in, and the steps that readers of calls are made of.

A reader is a generator: it is resumed when there is more text, and raises `NotACall` as soon as what it reads cannot be
a call. Every step ends at a place that the text alone decides, wherever it was cut. What a step has read is kept from
`hold` on, so that it can come out as text after all.
"""

import re
from collections.abc import Generator
from typing import TypeVar

from anyclaude.convert.text_calls.marks import Marks

Step = TypeVar("Step")
Reading = Generator[None, None, Step]

_MOST_BLANK = 4096
_BLANK = re.compile(r"\s*")


class NotACall(Exception):
    """What is read is no call, or none that can be taken."""


class Tape:
    """`text[at:]` is not read yet. `ended`: nothing will come after it."""

    def __init__(self) -> None:
        self.text = ""
        self.at = 0
        self.ended = False
        self._kept: list[str] = []  # what was read since `hold`, and is cut off the text
        self._kept_size = 0
        self._base: int | None = None  # where in the text the rest of it begins; None: nothing is held

    def add(self, piece: str) -> None:
        if self.at:
            self._cut()
        self.text += piece

    def _cut(self) -> None:
        if self._base is not None:
            self._kept.append(self.text[self._base : self.at])
            self._kept_size += self.at - self._base
            self._base = 0
        self.text = self.text[self.at :]
        self.at = 0

    @property
    def over(self) -> bool:
        return self.at == len(self.text)

    def to(self, place: int) -> str:
        """What stands before `place`, which is then read."""
        piece, self.at = self.text[self.at : place], place
        return piece

    # -- holding --------------------------------------------------------------------------------------------------

    def hold(self) -> None:
        self._base, self._kept, self._kept_size = self.at, [], 0

    @property
    def held(self) -> int:
        """Characters read since `hold`."""
        return 0 if self._base is None else self._kept_size + self.at - self._base

    def release(self) -> str:
        """What was read since `hold`, which is over."""
        piece = "".join(self._kept) + self.text[self._base : self.at]
        self._base, self._kept, self._kept_size = None, [], 0
        return piece

    # -- steps ----------------------------------------------------------------------------------------------------

    def more(self) -> Reading[None]:
        if self.ended:
            raise NotACall
        yield

    def blank(self) -> Reading[None]:
        """Skip white space. Raises NotACall where it finds no end."""
        left = _MOST_BLANK
        while True:
            if self.at < len(self.text) and not self.text[self.at].isspace():
                return
            end = blank_end(self.text, self.at)
            left -= end - self.at
            if left < 0:
                self.at = end + left
                raise NotACall
            self.at = end
            if not self.over or self.ended:
                return
            yield

    def peek(self) -> Reading[str]:
        """The next character, which stays unread."""
        while self.over:
            yield from self.more()
        return self.text[self.at]

    def literal(self, *choices: str) -> Reading[str]:
        """That one of `choices` with which the text goes on. Raises NotACall when it is none of them."""
        if not (found := (yield from self.maybe(*choices))):
            raise NotACall
        return found

    def maybe(self, *choices: str) -> Reading[str]:
        """As `literal`, but '' when it is none of them."""
        while True:
            for choice in choices:
                if self.text.startswith(choice, self.at):
                    self.at += len(choice)
                    return choice
            rest = self.text[self.at : self.at + max(map(len, choices))]
            if self.ended or not any(choice.startswith(rest) for choice in choices):
                return ""
            yield

    def one_of(self, marks: Marks) -> Reading[str]:
        """As `literal`, of many."""
        while True:
            if found := marks.match(self.text, self.at):
                self.at += len(found)
                return found
            if not marks.may_begin(self.text, self.at):
                raise NotACall
            yield from self.more()

    def run(self, pattern: re.Pattern[str], most: int = 1 << 30) -> Reading[str]:
        """The longest run of characters that fit `pattern`, a repeated class. Raises NotACall beyond `most`."""
        parts: list[str] = []
        while True:
            found = pattern.match(self.text, self.at)
            parts.append(self.to(found.end() if found else self.at))
            most -= len(parts[-1])
            if most < 0:
                self.at += most
                raise NotACall
            if not self.over or self.ended:
                return "".join(parts)
            yield

    def until(self, mark: str) -> Reading[str]:
        """What stands before `mark`, both read."""
        parts: list[str] = []
        while (place := self.text.find(mark, self.at)) < 0:
            parts.append(self.to(max(self.at, len(self.text) - len(mark) + 1)))
            yield from self.more()
        parts.append(self.to(place))
        self.at += len(mark)
        return "".join(parts)


def blank_end(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at
