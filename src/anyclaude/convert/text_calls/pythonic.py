"""Calls written as Python: `[Read(file_path="a.py"), Bash(command='ls')]`. Arguments are named, values are literals.

Llama 3.2 and 4 answer with nothing but such a list, LFM2 puts it between tokens of its own.
Source: https://www.llama.com/docs/model-cards-and-prompt-formats/llama4_omni/
"""

import re
from typing import Any, Final

from anyclaude.convert.text_calls.attempt import Attempt, Format
from anyclaude.convert.text_calls.tape import NotACall, Reading, Tape

_NAME: Final = re.compile(r"[\w.]*")
_NUMBER: Final = re.compile(r"[0-9+\-.eE_]*")
_DIGITS: Final = re.compile(r"[+-]?\d+")
_WORDS: Final = {"True": True, "False": False, "None": None, "true": True, "false": False, "null": None}
_LONGEST: Final = 256
_DEEPEST: Final = 50
_ESCAPES: Final = {
    "n": "\n",
    "t": "\t",
    "r": "\r",
    "b": "\b",
    "f": "\f",
    "0": "\0",
    "\n": "",
    "\\": "\\",
    "'": "'",
    '"': '"',
}
_ESCAPED: Final = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|([\s\S]))")
_PLAIN: Final = {"'": re.compile(r"[^'\\]*"), '"': re.compile(r'[^"\\]*')}


def calls(attempt: Attempt, family: str) -> Reading[None]:
    """The list, from its bracket on."""
    tape = attempt.tape
    yield from tape.literal("[")
    while True:
        yield from tape.blank()
        name = yield from tape.run(_NAME, _LONGEST)
        yield from _call(attempt, family, name)
        yield from tape.blank()
        if (yield from tape.literal(",", "]")) == "]":
            return


def one(attempt: Attempt, family: str) -> Reading[None]:
    """`NAME.call(...)`, as Llama 3.1 calls the tools that it was trained with."""
    written = yield from attempt.tape.run(_NAME, _LONGEST)
    yield from _call(attempt, family, written.removesuffix(".call"))


def _call(attempt: Attempt, family: str, written: str) -> Reading[None]:
    tape = attempt.tape
    yield from tape.literal("(")
    name = attempt.tool(written)
    arguments: dict[str, Any] = {}
    yield from tape.blank()
    met = yield from tape.maybe(")")
    while met != ")":
        yield from tape.blank()
        key = yield from tape.run(_NAME, _LONGEST)
        yield from tape.blank()
        yield from tape.literal("=")
        if not key or key in arguments:
            raise NotACall
        arguments[key] = yield from _literal(tape, 0)
        yield from tape.blank()
        met = yield from tape.literal(",", ")")
    attempt.add(family, name, arguments)


def _literal(tape: Tape, depth: int) -> Reading[Any]:
    yield from tape.blank()
    first = yield from tape.peek()
    if first in "'\"":
        return (yield from _string(tape))
    if first == "[" and depth < _DEEPEST:
        return (yield from _list(tape, depth + 1))
    if first == "{" and depth < _DEEPEST:
        return (yield from _dict(tape, depth + 1))
    if first.isalpha():
        written = yield from tape.run(_NAME, _LONGEST)
        if written not in _WORDS:
            raise NotACall
        return _WORDS[written]
    return _number((yield from tape.run(_NUMBER, _LONGEST)))


def _number(written: str) -> int | float:
    try:
        return int(written) if _DIGITS.fullmatch(written) else float(written)
    except ValueError:
        raise NotACall from None


def _string(tape: Tape) -> Reading[str]:
    quote = yield from tape.literal("'", '"')
    parts: list[str] = []
    while True:
        parts.append((yield from tape.run(_PLAIN[quote])))
        if (yield from tape.peek()) == quote:
            tape.to(tape.at + 1)
            return _ESCAPED.sub(_unescaped, "".join(parts))
        while len(tape.text) - tape.at < 2:
            yield from tape.more()
        parts.append(tape.to(tape.at + 2))


def _unescaped(found: re.Match[str]) -> str:
    """Python leaves a backslash that escapes nothing."""
    if code := found[1] or found[2]:
        return chr(int(code, 16))
    return _ESCAPES.get(found[3], found[0])


def _list(tape: Tape, depth: int) -> Reading[list[Any]]:
    yield from tape.literal("[")
    items: list[Any] = []
    yield from tape.blank()
    met = yield from tape.maybe("]")
    while met != "]":
        items.append((yield from _literal(tape, depth)))
        yield from tape.blank()
        met = yield from tape.literal(",", "]")
    return items


def _dict(tape: Tape, depth: int) -> Reading[dict[str, Any]]:
    yield from tape.literal("{")
    items: dict[str, Any] = {}
    yield from tape.blank()
    met = yield from tape.maybe("}")
    while met != "}":
        yield from tape.blank()
        key = yield from _string(tape)
        yield from tape.blank()
        yield from tape.literal(":")
        items[key] = yield from _literal(tape, depth)
        yield from tape.blank()
        met = yield from tape.literal(",", "}")
    return items


def _lfm(attempt: Attempt) -> Reading[None]:
    yield from attempt.tape.blank()
    yield from calls(attempt, "lfm2")
    yield from attempt.tape.blank()
    yield from attempt.tape.maybe("<|tool_call_end|>")


FORMATS: Final = (Format("<|tool_call_start|>", _lfm, "https://huggingface.co/LiquidAI/LFM2-1.2B", anywhere=True),)
