"""One attempt to read the rest of an answer as calls, and what readers of formats need for it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from anyclaude.convert.text_calls.pieces import Call
from anyclaude.convert.text_calls.schema import fits, meant
from anyclaude.convert.text_calls.tape import NotACall, Reading, Tape

_PREFIXES: Final = ("functions", "function", "default_api", "tools")
_SEPARATORS: Final = (".", "/", ":")


Fitting = Callable[[str, dict[str, Any]], bool]
"""Whether the arguments of a tool fit, or can be made to, beyond what the schema check knows."""


class Declared:
    """The tools that may be called: their names, each with the schema of its arguments."""

    def __init__(self, tools: Mapping[str, Any], fitting: Fitting | None = None) -> None:
        self._schemas = tools
        self._fitting = fitting
        self._by_lower: dict[str, str | None] = {}
        for name in tools:
            self._by_lower[name.lower()] = None if name.lower() in self._by_lower else name

    def named(self, written: str) -> str | None:
        """The tool that is meant: of that name, or of one that differs in case or has the prefix of a namespace."""
        for name in (written, _without_prefix(written)):
            if name in self._schemas:
                return name
            if found := self._by_lower.get(name.lower()):
                return found
        return None

    def accepts(self, name: str, arguments: dict[str, Any]) -> bool:
        if fits(arguments, self._schemas[name]):
            return True
        return self._fitting is not None and self._fitting(name, arguments)

    def meant(self, name: str, key: str, text: str) -> Any:
        """An argument that is written without quotes."""
        schema = self._schemas[name]
        properties = schema.get("properties") if isinstance(schema, Mapping) else None
        return meant(text, properties.get(key) if isinstance(properties, Mapping) else None, schema)


def _without_prefix(written: str) -> str:
    for prefix in _PREFIXES:
        if written.lower().startswith(prefix) and written[len(prefix) : len(prefix) + 1] in _SEPARATORS:
            return written[len(prefix) + 1 :]
    return written


@dataclass(frozen=True, slots=True)
class _Found:
    name: str
    arguments: dict[str, Any]
    family: str
    start: int


class Turn(Exception):
    """No call, but a header: what follows is of another kind."""

    def __init__(self, into: Literal["text", "thinking"]) -> None:
        self.into = into


class Attempt:
    """`start`: where the call that is being read begins, in characters held.

    in_harmony: the answer began with one of its headers. in_message: a header was read, and its message goes on.
    """

    def __init__(self, tape: Tape, declared: Declared, *, in_harmony: bool = False, in_message: bool = False) -> None:
        self.tape = tape
        self.in_harmony = in_harmony
        self.in_message = in_message
        self.start = 0
        self.is_complete = False
        self._declared = declared
        self._found: list[_Found] = []

    def tool(self, written: str) -> str:
        """The name of the tool that is meant. Raises NotACall when it is not declared."""
        if (name := self._declared.named(written.strip())) is None:
            raise NotACall
        return name

    def meant(self, name: str, key: str, text: str) -> Any:
        return self._declared.meant(name, key, text)

    def add(self, family: str, name: str, arguments: Any) -> None:
        """A call was read. Raises NotACall when it does not fit the schema."""
        if not isinstance(arguments, dict) or not self._declared.accepts(name, arguments):
            raise NotACall
        self._found.append(_Found(name, arguments, family, self.start))
        self.start = self.tape.held

    @property
    def has_calls(self) -> bool:
        return bool(self._found)

    def calls(self, held: str) -> list[Call]:
        """Each with its share of what was held."""
        ends = [found.start for found in self._found[1:]] + [len(held)]
        starts = [0, *ends]
        return [
            Call(found.name, found.arguments, found.family, held[start:end])
            for found, start, end in zip(self._found, starts, ends, strict=False)
        ]


Read = Callable[[Attempt], Reading[None]]


@dataclass(frozen=True, slots=True)
class Format:
    """How calls begin, and how to go on. read: from behind the opener to the end of the call, or of several.

    anywhere: the opener is nothing that prose holds, so it may stand within a line. source: where it is documented.
    """

    opener: str
    read: Read
    source: str
    anywhere: bool = False
