"""A tool call read while it is written: its name as soon as that is known, then its arguments as they grow.

Only for calls that a grammar holds to their format (see `constraint`): nothing here checks, and what has been handed
out cannot be taken back. Each format is a script, a generator that is resumed with more text and stops wherever it
needs some; the pieces do not depend on where tokens cut the text, only their borders do.

Arguments that the model writes as JSON are handed on as they are written. Those that it writes between tags become
JSON here, a text character for character, anything else when it is whole.
"""

import json
import re
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlx_worker.engine import ToolArguments, ToolCallBegun

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


# -- tags -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tags:
    """`call_open NAME name_end (param_open KEY key_end value_open VALUE param_close)* call_close`.

    Where name_end or call_close is empty, what follows ends the name or the arguments. lines: a line break after a
    value's opening and before its closing is layout, no part of it.
    """

    call_open: str
    name_end: str
    param_open: str
    key_end: str
    param_close: str
    call_close: str
    value_open: str = ""
    lines: bool = True


def tagged_values(reader: CallReader, tags: Tags, end: str, schemas: Mapping[str, Mapping[str, Any]]) -> Reading:
    """`schemas`: of the arguments, by tool; it says which values are texts."""
    yield from reader.until(tags.call_open)
    closing = tags.call_close or end
    name, met = yield from reader.until(*([tags.name_end] if tags.name_end else [tags.param_open, closing]))
    reader.begin(name.strip())
    reader.arguments("{")
    properties = schemas.get(name.strip(), {}).get("properties") or {}
    separator = ""
    while True:
        if met not in (tags.param_open, closing):
            _, met = yield from reader.until(tags.param_open, closing)
        if met == closing:
            break
        key, met = yield from reader.until(tags.key_end)
        reader.arguments(f"{separator}{json.dumps(key.strip(), ensure_ascii=False)}: ")
        separator = ", "
        yield from reader.until(tags.value_open)
        yield from _tagged_value(reader, tags, properties.get(key.strip()))
    reader.arguments("}")
    reader.close()
    if tags.call_close:
        yield from reader.until(end)


def _tagged_value(reader: CallReader, tags: Tags, schema: Any) -> Reading:
    if is_text(schema):
        reader.arguments('"')
        yield from reader.text(tags.param_close, lines=tags.lines)
        reader.arguments('"')
    else:
        value, _ = yield from reader.until(tags.param_close)
        reader.arguments(as_json(value, schema, lines=tags.lines))


def is_text(schema: Any) -> bool:
    """Whether the value is written without quotes: the schema allows a string and nothing else."""
    return types_of(schema) == {"string"}


def types_of(schema: Any) -> set[str]:
    """The JSON types that a schema names itself, in an `enum` or in alternatives; empty: it does not say."""
    if not isinstance(schema, Mapping):
        return set()
    if isinstance(named := schema.get("type"), str):
        return {named}
    if isinstance(named, Sequence):
        return {str(one) for one in named}
    values = schema["enum"] if isinstance(schema.get("enum"), list) else [schema["const"]] if "const" in schema else []
    if values:
        return {_type_of(value) for value in values}
    alternatives = schema.get("anyOf") or schema.get("oneOf")
    found = [types_of(one) for one in alternatives] if isinstance(alternatives, list) else []
    return set().union(*found) if all(found) else set()


def _type_of(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    named: dict[type, str] = {str: "string", int: "integer", float: "number", dict: "object", list: "array"}
    return named.get(type(value), "null")


def as_json(value: str, schema: Any, *, lines: bool = True) -> str:
    """A value that is no plain text, as JSON: what it says, if that is JSON of a type that the schema allows, or its
    text. Python's True, False and None, which templates print, are understood."""
    value = value.removeprefix("\n").removesuffix("\n") if lines else value
    literal = {"True": "true", "False": "false", "None": "null"}.get(value.strip(), value.strip())
    allowed = types_of(schema)
    try:
        parsed = json.loads(literal)
    except (ValueError, RecursionError):
        return json.dumps(value, ensure_ascii=False)
    kind = _type_of(parsed)
    fits = not allowed or kind in allowed or (kind == "integer" and "number" in allowed)
    return literal if fits or "string" not in allowed else json.dumps(value, ensure_ascii=False)
