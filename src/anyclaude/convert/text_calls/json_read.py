"""JSON read while it is written, as far as is needed to see that it is none; and calls that are written as objects.

    {"name": "Read", "arguments": {"file_path": "a.py"}}

`parameters`, `args` and `input` stand for `arguments`, which may also be a string that holds JSON (OpenAI's way); the
whole may stand under `function`, beside a `type` and an `id`.
"""

import re
from typing import Any, Final

from anyclaude.convert.text_calls.attempt import Attempt
from anyclaude.convert.text_calls.schema import read_json
from anyclaude.convert.text_calls.tape import NotACall, Reading, Tape

_IN_STRING: Final = re.compile(r'[^"\\]*')
_BETWEEN: Final = re.compile(r"[\s,:0-9+\-.eEtrufalsn]*")
_SCALAR: Final = re.compile(r"[0-9A-Za-z+\-.]*")
_DEEPEST: Final = 100
_LONGEST_NAME: Final = 256

_NAMES: Final = frozenset(("name", "tool_name"))
_ARGUMENTS: Final = frozenset(("arguments", "parameters", "args", "input"))
_BESIDE: Final = frozenset(("id", "tool_call_id", "index"))
_KEYS: Final = _NAMES | _ARGUMENTS | _BESIDE | {"function", "type"}
_TYPES: Final = frozenset(("function", "tool_call", "tool_use", "tool"))


def value(tape: Tape) -> Reading[str]:
    """One object, list or string. It may be wrong within: whoever wants its meaning has to ask for it."""
    first = yield from tape.peek()
    if first == '"':
        return (yield from string(tape))
    if first not in "{[":
        raise NotACall
    parts: list[str] = []
    depth = 0
    while True:
        parts.append((yield from tape.run(_BETWEEN)))
        char = yield from tape.peek()
        if char == '"':
            parts.append((yield from string(tape)))
            continue
        if char not in "{[]}" or depth == _DEEPEST:
            raise NotACall
        parts.append(tape.to(tape.at + 1))
        depth += 1 if char in "{[" else -1
        if depth == 0:
            return "".join(parts)


def string(tape: Tape) -> Reading[str]:
    """One string, with its quotes."""
    parts = [(yield from tape.literal('"'))]
    while True:
        found = _IN_STRING.match(tape.text, tape.at)
        parts.append(tape.to(found.end() if found else tape.at))
        if (yield from tape.peek()) == '"':
            parts.append(tape.to(tape.at + 1))
            return "".join(parts)
        if tape.text[tape.at] == "\\":
            while len(tape.text) - tape.at < 2:
                yield from tape.more()
            parts.append(tape.to(tape.at + 2))


_WORD: Final = re.compile(r'[^"\\<>\x00-\x1f]*')


def word(tape: Tape) -> Reading[str]:
    """A short string that may be a name, without its quotes."""
    yield from tape.literal('"')
    found = yield from tape.run(_WORD, _LONGEST_NAME)
    yield from tape.literal('"')
    return found


class _Object:
    """What was read of a call's object. is_certain: it is marked as a call, so that arguments may be missing."""

    def __init__(self, is_certain: bool) -> None:
        self.is_certain = is_certain
        self.name: str | None = None
        self.arguments: Any = None
        self.keys: set[str] = set()

    @property
    def is_whole(self) -> bool:
        return self.is_certain and self.name is not None and isinstance(self.arguments, dict)

    def settle(self) -> tuple[str, dict[str, Any]]:
        """Its name and arguments."""
        if self.name is None or not (self.is_certain or self.keys & _ARGUMENTS):
            raise NotACall
        arguments = self.arguments
        if isinstance(arguments, str):
            arguments = read_json(arguments) if arguments.strip() else {}
        if arguments is None:
            arguments = {}
        if not isinstance(arguments, dict):
            raise NotACall
        return self.name, arguments


def call(attempt: Attempt, family: str, *, is_certain: bool = True) -> Reading[None]:
    """One object that is a call. Raises NotACall at the first key that no call has.

    Small models often write a brace too few or too many at its end, where the marks around it tell that it is over.
    """
    found = _Object(is_certain)
    yield from _members(attempt, found, nested=False)
    attempt.add(family, *found.settle())
    if is_certain:
        yield from attempt.tape.blank()
        yield from attempt.tape.maybe("}")


def _members(attempt: Attempt, found: _Object, nested: bool) -> Reading[None]:
    tape = attempt.tape
    yield from tape.literal("{")
    while True:
        yield from tape.blank()
        key = yield from word(tape)
        if key in found.keys or key not in _KEYS:
            raise NotACall
        found.keys.add(key)
        yield from tape.blank()
        yield from tape.literal(":")
        yield from tape.blank()
        yield from _member(attempt, found, key, nested)
        yield from tape.blank()
        if (met := (yield from tape.maybe(",", "}"))) == "}":
            return
        if not met:
            if found.is_whole and (tape.over or tape.text[tape.at] in "<["):
                return
            raise NotACall


def _member(attempt: Attempt, found: _Object, key: str, nested: bool) -> Reading[None]:
    tape = attempt.tape
    first = yield from tape.peek()
    if key in _NAMES or (key == "function" and first == '"'):
        if found.name is not None:
            raise NotACall
        found.name = attempt.tool((yield from word(tape)))
    elif key in _ARGUMENTS:
        found.arguments = (yield from _meaning(tape)) if first in '{"' else None
        if found.arguments is None:
            yield from tape.literal("null")
    elif key == "function" and not nested:
        yield from _members(attempt, found, nested=True)
    elif key == "type":
        if (yield from word(tape)) not in _TYPES:
            raise NotACall
    elif key in _BESIDE:
        yield from (word(tape) if first == '"' else tape.run(_SCALAR, _LONGEST_NAME))
    else:
        raise NotACall


def _meaning(tape: Tape) -> Reading[Any]:
    if (read := read_json((yield from value(tape)))) is ...:
        raise NotACall
    return read


def arguments(attempt: Attempt, family: str, name: str) -> Reading[None]:
    """The arguments of a call whose name is known, as an object."""
    if (yield from attempt.tape.peek()) != "{":
        raise NotACall
    attempt.add(family, name, (yield from _meaning(attempt.tape)))


def calls(attempt: Attempt, family: str, *, is_certain: bool = True) -> Reading[None]:
    """One call, several in a list, or several one after the other."""
    tape = attempt.tape
    if (yield from tape.peek()) == "[":
        yield from _list(attempt, family, is_certain)
        return
    while True:
        yield from call(attempt, family, is_certain=is_certain)
        yield from tape.blank()
        if (yield from tape.maybe(";", ",")):
            yield from tape.blank()
            if (yield from tape.peek()) != "{":
                raise NotACall
        elif tape.over or tape.text[tape.at] != "{":
            return


def _list(attempt: Attempt, family: str, is_certain: bool) -> Reading[None]:
    tape = attempt.tape
    yield from tape.literal("[")
    while True:
        yield from tape.blank()
        yield from call(attempt, family, is_certain=is_certain)
        yield from tape.blank()
        if (yield from tape.literal(",", "]")) == "]":
            return
