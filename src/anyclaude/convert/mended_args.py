"""A call's arguments on their way to the client, mended member by member while they stream.

What is right goes out as it came, byte for byte, a long text character for character. What is not is made right where
that is certain, by the tool's schema: a comma too many or too few, quotes of the wrong kind or none, a line break or a
backslash in a text, `"50"` for 50, `null` for what may be left out, a name in another case, a member that the tool does
not have (Claude Code refuses the whole call for it), a closing brace that is missing though nothing else is. All else
goes to the client as it came: it tells the model what is wrong (observed with claude-code 2.1.197).
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from anyclaude.convert.held_value import HeldValue
from anyclaude.convert.lenient_value import LARGEST, escape, lenient_value
from anyclaude.convert.schema_types import fitted, parameter_meant, types_of
from anyclaude.wire.json import encode

_SPACE: Final = re.compile(r"[\s,]*")
_QUOTED: Final = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
_KEY: Final = re.compile(rf"({_QUOTED}|[A-Za-z_$][\w$-]*)(\s*:\s*)(?=\S)", re.DOTALL)
_NO_KEY: Final = re.compile(rf"""(?:{_QUOTED}|[A-Za-z_$][\w$-]*)\s*[^\s\w$:-]|[^"'A-Za-z_$]""", re.DOTALL)
_LONGEST_KEY: Final = 1000
_LONGEST_SEPARATOR: Final = 1000
_AT_ONCE: Final = 2000  # characters that are looked at: what is left of them is copied with every step
_MOST_REPAIRS: Final = 20  # that are told of
_ODD: Final = re.compile(r'["\\\x00-\x1f]')
_ESCAPED: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_UNICODE: Final = re.compile(r"u[0-9a-fA-F]{0,4}")


class MendedArguments:
    """The arguments of one call. schema: of the tool's input; None: of a tool that is not known, nothing is mended.

    repairs: what was mended, in a few words each, the first twenty.
    """

    def __init__(self, schema: Mapping[str, Any] | None) -> None:
        self.repairs: list[str] = []
        self._schema: Mapping[str, Any] = schema or {}
        properties = self._schema.get("properties")
        self._properties: Mapping[str, Any] = properties if isinstance(properties, Mapping) else {}
        self._left = ""  # what came and is not dealt with
        self._out: list[str] = []
        self._step: Callable[[], bool] = self._verbatim if schema is None else self._begin
        self._names: set[str] = set()  # of the members that are out
        self._separator = ""  # what came before the next member
        self._key = ""  # of the member that is under way, as it goes out with its colon
        self._name: str | None = None  # the parameter that it is; None: it is left out
        self._value = HeldValue(" ")
        self._left_out = False  # a member was, so that a comma is too many or too few

    def feed(self, piece: str) -> str:
        """What can go out now."""
        if self._step == self._text and not self._left and not _ODD.search(piece):
            return piece if self._name is not None else ""  # the common case, as a model writes a file
        for start in range(0, len(piece), _AT_ONCE):
            self._left += piece[start : start + _AT_ONCE]
            while self._left and self._step():
                pass
        return self._taken()

    def end(self, *, whole: bool) -> str:
        """The rest. whole: the model ended the call of its own accord; its answer was not cut."""
        if whole and self._step == self._held and self._value.is_bare:
            self._settle()
        if whole and self._step == self._member and not self._left and "," not in self._separator:
            self._repaired("closing brace")
            self._say("}")
        elif self._step == self._held:
            self._say_member(self._value.text)
        elif self._step == self._member:
            self._say(self._separator)
        self._verbatim()
        return self._taken()

    def _taken(self) -> str:
        out, self._out = "".join(self._out), []
        return out

    def _say(self, text: str) -> None:
        if text:
            self._out.append(text)

    def _take(self, length: int) -> str:
        taken, self._left = self._left[:length], self._left[length:]
        return taken

    def _repaired(self, what: str) -> None:
        if len(self.repairs) < _MOST_REPAIRS:
            self.repairs.append(what)

    # Each step deals with some of what is left, and says whether more can be done before more comes.

    def _verbatim(self) -> bool:
        """Whatever this is: the client gets it, and says what is wrong with it."""
        self._say(self._take(len(self._left)))
        return False

    def _give_up(self) -> bool:
        self._say(self._separator)
        self._step = self._verbatim
        return True

    def _begin(self) -> bool:
        bare = self._left.lstrip()
        if bare and bare[0] != "{":
            return self._give_up()
        if bare:
            self._say(self._take(len(self._left) - len(bare) + 1))
            self._step = self._member
        return bool(bare)

    def _member(self) -> bool:
        """Before a key, or the end."""
        space = _SPACE.match(self._left)
        self._separator += self._take(space.end() if space else 0)
        if len(self._separator) > _LONGEST_SEPARATOR:
            return self._give_up()
        if not self._left:
            return False
        if self._left[0] == "}":
            return self._close()
        if found := _KEY.match(self._left):
            if self._is_inside_a_text(found[1]):
                return self._give_up()
            self._open(found[1], found[2])
            self._take(found.end())
            self._step = self._begin_value
            return True
        if len(self._left) > _LONGEST_KEY or _NO_KEY.match(self._left):
            return self._give_up()
        return False

    def _is_inside_a_text(self, key: str) -> bool:
        """A key of another form right behind a value: the value was perhaps a text with quotes in it."""
        return key[0] != '"' and "," not in self._separator and (bool(self._names) or self._left_out)

    def _close(self) -> bool:
        if "," in self._separator and not self._left_out:
            self._repaired("trailing comma")
        self._say(self._separator.replace(",", ""))
        self._separator = ""
        self._step = self._verbatim
        return True

    def _open(self, written: str, colon: str) -> None:
        name = str(lenient_value(written)) if written[0] in "\"'" else written
        self._name = parameter_meant(name, self._schema, self._names)
        if self._name is None:
            self._repaired(f"unknown parameter {name[:40]!r}")
            return
        right = name == self._name and written[0] == '"'
        self._key = (written if right else encode(self._name).decode()) + colon
        if not right:
            self._repaired(f"name of {self._name!r}")

    def _begin_value(self) -> bool:
        if self._left[0] == '"' and self._may_stream():
            if self._name is not None:
                self._say_member('"')
            self._take(1)
            self._step = self._text
        else:
            self._value = HeldValue(self._left[0])
            self._step = self._held
        return True

    def _may_stream(self) -> bool:
        types = types_of(self._properties.get(self._name or ""))
        return self._name is None or not types or "string" in types

    def _say_member(self, value: str) -> None:
        """The key and what there is of its value, behind one comma, or none before the first."""
        if self._name is None:
            return
        if self._separator.count(",") != bool(self._names):
            if not self._left_out:
                self._repaired("comma")
            self._separator = ("," if self._names else "") + self._separator.replace(",", "")
        self._say(self._separator + self._key + value)
        self._separator = ""
        self._left_out = False
        self._names.add(self._name)

    def _text(self) -> bool:
        """Inside a text that goes out as it comes."""
        odd = _ODD.search(self._left)
        if odd is None:
            self._say_text(self._take(len(self._left)))
        elif odd[0] == "\\":
            return self._escape(odd.start())
        else:
            self._say_text(self._take(odd.start()))
            self._take(1)
            self._say_text(self._ended() if odd[0] == '"' else self._control(odd[0]))
        return odd is not None

    def _say_text(self, text: str) -> None:
        if self._name is not None:
            self._say(text)

    def _ended(self) -> str:
        self._step = self._member
        if self._name is None:
            self._leave_out()
        return '"'

    def _leave_out(self) -> None:
        self._left_out = True
        self._separator = self._separator.replace(",", "")[:1]

    def _control(self, character: str) -> str:
        self._repaired("control character in a text")
        return _ESCAPED.get(character) or f"\\u{ord(character):04x}"

    def _escape(self, start: int) -> bool:
        self._say_text(self._take(start))
        after = self._left[1:6]
        found = _UNICODE.match(after)
        if not after or (found and found.end() == len(after) < 5):
            return False  # more of it must come first
        after = found[0] if found and found.end() == 5 else after[0]
        self._take(1 + len(after))
        if (right := escape(after)) != f"\\{after}":
            self._repaired("escape in a text")
        self._say_text(right)
        return True

    def _held(self) -> bool:
        """Inside a value that goes out when it is whole."""
        self._take(self._value.feed(self._left))
        if self._value.complete:
            self._settle()
        elif self._value.size > LARGEST and self._name is not None:
            self._say_member(self._value.text)
            return self._give_up()
        return self._value.complete

    def _settle(self) -> None:
        self._step = self._member
        if self._name is None:
            self._leave_out()
            return
        required = self._schema.get("required")
        must = isinstance(required, list) and self._name in required
        fit = fitted(self._value.text, self._properties.get(self._name), required=must)
        if fit.repair:
            self._repaired(f"{fit.repair} in {self._name!r}")
        if fit.text is None:
            self._leave_out()
        else:
            self._say_member(fit.text)
