"""Where a tool call's arguments end: a scanner that follows one JSON object through any cut of its text.

The reader needs it for upstreams that interleave parallel calls, that send a call's arguments twice, or that go on
after the closing brace. It looks at braces and strings alone; whether the JSON is valid is the client's business.
"""

import re

_OUTSIDE = re.compile(r'["{}\[\]]')
_INSIDE = re.compile(r'["\\]')


class ObjectScanner:
    """Feed it pieces; it hands back what belongs to the first object, and `complete` says when that has ended."""

    def __init__(self) -> None:
        self.complete = False
        self._depth = 0
        self._in_string = False
        self._escaped = False

    def feed(self, piece: str) -> str:
        """The part of `piece` up to the end of the object: all of it while the object is open, '' after it."""
        if self._in_string and not self._escaped and '"' not in piece and "\\" not in piece:
            return piece  # the common case, as a model writes a file
        position = 0
        while position < len(piece) and not self.complete:
            step = self._through_string if self._in_string else self._to_next_mark
            position = step(piece, position)
        return piece[:position]

    def _through_string(self, piece: str, position: int) -> int:
        if self._escaped:
            self._escaped = False
            return position + 1
        match = _INSIDE.search(piece, position)
        if match is None:
            return len(piece)
        self._escaped = match[0] == "\\"
        self._in_string = self._escaped
        return match.end()

    def _to_next_mark(self, piece: str, position: int) -> int:
        match = _OUTSIDE.search(piece, position)
        if match is None:
            return len(piece)
        mark = match[0]
        if mark == '"':
            self._in_string = True
        elif mark in "{[":
            self._depth += 1
        else:
            self._depth -= 1
            self.complete = self._depth <= 0
        return match.end()
