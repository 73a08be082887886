"""A tool call read while it is written: its name as soon as that is known, then its arguments as they grow.

Only for calls that a grammar holds to their format (see `constraint`): nothing here checks, and what has been handed
out cannot be taken back. Each format is a script, a generator that is resumed with more text and stops wherever it
needs some; the pieces do not depend on where tokens cut the text, only their borders do.

Here are the formats whose arguments are JSON: they are handed on as they are written. `call_tags` has the others.
"""

import json
import re
from collections.abc import Callable, Generator

from mlx_worker.events import ToolArguments, ToolCallBegun

CallPiece = ToolCallBegun | ToolArguments
Reading = Generator[None, None, None]
_NAME_OR_END = re.compile(r'"name"\s*:\s*')
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


class CallReader:
    """`over`: the closing marker was read, `rest` is the text after it. `calls`: those begun; `cut`: one is open.

    `unnamed`: all that came, as long as no call has begun.
    """

    def __init__(self, script: Callable[["CallReader"], Reading]) -> None:
        self.rest = ""
        self.over = False
        self.calls = 0
        self.cut = False
        self.unnamed = ""
        self._told: list[CallPiece] = []
        self._script = script(self)

    def feed(self, text: str) -> list[CallPiece]:
        self.rest += text
        self.unnamed += "" if self.calls else text
        try:
            next(self._script)
        except StopIteration:
            self.over = True
        told, self._told = self._told, []
        return told

    # -- what scripts are made of ---------------------------------------------------------------------------------

    def begin(self, name: str) -> None:
        self.calls += 1
        self.cut, self.unnamed = True, ""
        self._told.append(ToolCallBegun(name))

    def arguments(self, text: str) -> None:
        """The next piece; pieces of one feed are one."""
        if not text:
            return
        if self._told and isinstance(last := self._told[-1], ToolArguments):
            text = last.json + text
            self._told.pop()
        self._told.append(ToolArguments(text))

    def close(self) -> None:
        self.cut = False

    def until(self, *marks: str) -> Generator[None, None, tuple[str, str]]:
        """(text before the earliest of `marks`, that mark), both taken. An empty mark is met at once."""
        while not (found := [(place, mark) for mark in marks if (place := self.rest.find(mark)) >= 0]):
            yield
        place, mark = min(found)
        before, self.rest = self.rest[:place], self.rest[place + len(mark) :]
        return before, mark

    def match(self, pattern: re.Pattern[str]) -> Generator[None, None, str]:
        """What the pattern finds first. It must not match less than it will when more text comes."""
        while not (found := pattern.search(self.rest)):
            yield
        self.rest = self.rest[found.end() :]
        return found.group()

    def object(self) -> Reading:
        """One JSON object or array, handed on as arguments as it is written."""
        depth, quoted, escaped = 0, False, False
        before = True
        while True:
            for place, char in enumerate(self.rest):
                if quoted:
                    quoted, escaped = escaped or char != '"', not escaped and char == "\\"
                elif char == '"':
                    quoted = True
                else:
                    depth += (char in "{[") - (char in "}]")
                    if depth == 0 and char in "}]":
                        whole, self.rest = self.rest[: place + 1], self.rest[place + 1 :]
                        self.arguments(whole.lstrip() if before else whole)
                        return
            grown, self.rest = self.rest, ""
            grown = grown.lstrip() if before else grown
            before = before and not grown
            self.arguments(grown)
            yield

    def text(self, mark: str, *, lines: bool = True) -> Reading:
        """A text up to `mark`, as the inside of a JSON string. lines: a line break after its start and before its end
        is layout."""
        line = "\n" if lines else ""
        opened = False
        while mark not in self.rest:
            if not opened and self.rest:
                self.rest, opened = self.rest.removeprefix(line), True
            keep = max(held(self.rest, mark), held(self.rest, line + mark))
            shown, self.rest = self.rest[: len(self.rest) - keep], self.rest[len(self.rest) - keep :]
            self.arguments(quoted_inside(shown))
            yield
        last, self.rest = self.rest.split(mark, 1)
        last = last if opened else last.removeprefix(line)
        self.arguments(quoted_inside(last.removesuffix(line)))


def held(text: str, mark: str) -> int:
    """How much of the end of `text` may be the beginning of `mark`."""
    lengths = range(min(len(mark), len(text)), 0, -1)
    return next((length for length in lengths if mark.startswith(text[-length:])), 0)


def quoted_inside(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


# -- JSON -----------------------------------------------------------------------------------------------------------


def _named_object(reader: CallReader) -> Reading:
    """`"name": "f", "arguments": {...}`"""
    yield from reader.match(_NAME_OR_END)
    name: str = json.loads((yield from reader.match(_STRING)))
    reader.begin(name)
    yield from reader.until('"arguments"')
    yield from reader.until(":")
    yield from reader.object()
    reader.close()


def tagged_json(reader: CallReader, end: str) -> Reading:
    """`{"name": "f", "arguments": {...}}` and the closing marker."""
    yield from _named_object(reader)
    yield from reader.until(end)


def json_array(reader: CallReader) -> Reading:
    """`[{"name": "f", "arguments": {...}}, ...]` up to the end of the turn."""
    while True:
        yield from _named_object(reader)


def headed_json(reader: CallReader, start: str, header_end: str) -> Reading:
    """`f[ARGS]{...}`, and again after another opening marker, up to the end of the turn."""
    while True:
        name, _ = yield from reader.until(header_end)
        reader.begin(name.strip())
        yield from reader.object()
        reader.close()
        yield from reader.until(start)
