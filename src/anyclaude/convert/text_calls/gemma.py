"""Gemma's function calls: `call:NAME{key:value}`, with a token in place of quotes and keys without any.

    <start_function_call>call:Read{file_path:<escape>a.py<escape>,limit:5}<end_function_call>       FunctionGemma
    <|tool_call>call:Read{file_path:<|"|>a.py<|"|>,limit:5}<tool_call|>                             Gemma 4

Gemma 3 has no such tokens; its calls in a ```tool_code fence are not taken, as nothing in a fence is.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

from anyclaude.convert.text_calls import json_read
from anyclaude.convert.text_calls.attempt import Attempt, Format
from anyclaude.convert.text_calls.schema import read_json
from anyclaude.convert.text_calls.tape import NotACall, Reading, Tape

_NAME: Final = re.compile(r"[\w.:-]*")
_BARE: Final = re.compile(r"[^,{}\[\]<>\"]*")
_LONGEST: Final = 256
_DEEPEST: Final = 50


@dataclass(frozen=True, slots=True)
class _Gemma:
    family: str
    quote: str
    closer: str

    def read(self, attempt: Attempt) -> Reading[None]:
        tape = attempt.tape
        yield from tape.blank()
        yield from tape.literal("call:")
        name = attempt.tool((yield from tape.run(_NAME, _LONGEST)))
        yield from tape.blank()
        arguments = yield from self._object(tape, 0)
        attempt.add(self.family, name, {key: _settled(attempt, name, key, one) for key, one in arguments.items()})
        yield from tape.blank()
        yield from tape.maybe(self.closer)

    def _value(self, tape: Tape, depth: int) -> Reading[Any]:
        yield from tape.blank()
        first = yield from tape.peek()
        if first == "{" and depth < _DEEPEST:
            return (yield from self._object(tape, depth))
        if first == "[" and depth < _DEEPEST:
            return (yield from self._list(tape, depth))
        if first in '<"':
            return (yield from self._string(tape))
        return _Bare((yield from tape.run(_BARE)))

    def _string(self, tape: Tape) -> Reading[str]:
        if (yield from tape.peek()) == '"':
            return str(read_json((yield from json_read.string(tape))))
        yield from tape.literal(self.quote)
        return (yield from tape.until(self.quote))

    def _object(self, tape: Tape, depth: int) -> Reading[dict[str, Any]]:
        yield from tape.literal("{")
        members: dict[str, Any] = {}
        yield from tape.blank()
        met = yield from tape.maybe("}")
        while met != "}":
            yield from tape.blank()
            is_quoted = (yield from tape.peek()) in '<"'
            key = (yield from self._string(tape)) if is_quoted else (yield from tape.run(_KEY, _LONGEST))
            yield from tape.blank()
            yield from tape.literal(":")
            if not key or key in members:
                raise NotACall
            members[key] = yield from self._value(tape, depth + 1)
            yield from tape.blank()
            met = yield from tape.literal(",", "}")
        return members

    def _list(self, tape: Tape, depth: int) -> Reading[list[Any]]:
        yield from tape.literal("[")
        items: list[Any] = []
        yield from tape.blank()
        met = yield from tape.maybe("]")
        while met != "]":
            items.append((yield from self._value(tape, depth + 1)))
            yield from tape.blank()
            met = yield from tape.literal(",", "]")
        return items


_KEY: Final = re.compile(r"[\w.$-]*")


class _Bare(str):
    """A value without quotes: a number, a word, or a text of a model that forgot them."""


def _settled(attempt: Attempt, name: str, key: str, value: Any) -> Any:
    """An argument; what stands without quotes is what the schema says."""
    if isinstance(value, _Bare):
        return attempt.meant(name, key, str(value).strip())
    return _within(value)


def _within(value: Any) -> Any:
    if isinstance(value, _Bare):
        read = read_json(value)
        return str(value).strip() if read is ... else read
    if isinstance(value, dict):
        return {key: _within(one) for key, one in value.items()}
    return [_within(one) for one in value] if isinstance(value, list) else value


FORMATS: Final = (
    Format(
        "<start_function_call>",
        _Gemma("functiongemma", "<escape>", "<end_function_call>").read,
        "https://ai.google.dev/gemma/docs/functiongemma/formatting-and-best-practices",
        anywhere=True,
    ),
    Format(
        "<|tool_call>",
        _Gemma("gemma4", '<|"|>', "<tool_call|>").read,
        "https://ai.google.dev/gemma/docs/capabilities/text/function-calling-gemma4",
        anywhere=True,
    ),
)
