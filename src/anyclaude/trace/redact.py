"""Taking secrets out of what is written down: by name, by value, and by the shape that keys have.

It works on encoded JSON and on text, not on trees: a request is half a megabyte of a few thousand strings, and a
handful of passes over its bytes costs a tenth of visiting every string. In encoded JSON a quote after `{` or `,` always
opens a key (in a string it would be escaped), so names are found without parsing. Of what is encoded once more, only
our own envelopes of reasoning are opened.
"""

import base64
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, Final
from urllib.parse import quote, quote_plus

import orjson

from anyclaude.config.secrets import SHORTEST
from anyclaude.convert.reasoning import PREFIX, opened, sealed
from anyclaude.wire.json import decode_lenient, encode

MARK: Final = "[redacted]"
_NAMES: Final = (
    r"authorization|cookie|(?<!first_)token(?!s|_count|iz)|secret|passw(?:or)?d|passphrase|api[-_]?key|private[-_]?key"
)
_NAME: Final = re.compile(_NAMES, re.IGNORECASE)
_STRING: Final = r'"(?:[^"\\]|\\.)*"'
_NAMED: Final = re.compile(
    rf'([{{,]"[^"\\]{{0,80}}?(?:{_NAMES})[^"\\]{{0,80}}":)({_STRING}|\[(?:{_STRING},?)+\]|-?\d[\d.eE+-]*)'.encode(),
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Within:
    """Names in JSON that is a string of the JSON: arguments of calls, files that were read.

    Its quotes have n = 1, 3, 7 backslashes, so 2n + 1 before a quote, or 2n + 2, are a quote or a backslash in a value.
    Keys are looked through first: mostly none is secret.
    """

    quote: bytes
    key: re.Pattern[bytes]
    named: re.Pattern[bytes]

    def sub(self, encoded: bytes) -> bytes:
        if self.quote not in encoded:
            return encoded
        if not any(is_secret_name(key.decode("utf-8", "replace")) for key in set(self.key.findall(encoded))):
            return encoded
        return self.named.sub(lambda found: found[1] + self.quote + MARK.encode() + self.quote, encoded)


def _within(n: int) -> _Within:
    slash = r"\\"
    quote = slash * n + '"'
    start = rf'{quote}(?<!{slash * (n + 1)}")'
    colon = rf"{quote}(?:\s|\\+[nrt])*+:(?:\s|\\+[nrt])*+"
    string = rf'{quote}(?:[^"\\]|{slash * (2 * n + 1)}[\\"]|\\+(?![\\"]))*+{quote}'
    named = rf'({start}(?=[^"\\]{{1,160}}{quote})[^"\\]*?(?:{_NAMES})[^"\\]*{colon})(?:{string}|-?\d[\d.eE+-]*)'
    return _Within(
        b"\\" * n + b'"',
        re.compile(rf'{start}([^"\\]{{1,160}}){colon}'.encode()),
        re.compile(named.encode(), re.IGNORECASE),
    )


_DEPTHS: Final = tuple(map(_within, (1, 3, 7)))

# What a key looks like, and a piece of text that must be there for it to match: looking for that is much quicker. A
# pattern begins with that piece, and looks at what stands before it only then: that is ten times quicker too.
_SHAPES: Final = (
    ("sk-", r"sk-(?<![A-Za-z0-9]sk-)[A-Za-z0-9_-]{12,}"),
    ("earer ", r"\b[Bb]earer +[A-Za-z0-9._~+/=-]{8,}"),
    ("asic ", r"\b[Bb]asic +[A-Za-z0-9+/=]{12,}"),
    ("eyJ", r"eyJ(?<![A-Za-z0-9]eyJ)[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*"),
    ("AKIA", r"AKIA(?<![A-Za-z0-9]AKIA)[0-9A-Z]{16}(?![A-Za-z0-9])"),
    ("ASIA", r"ASIA(?<![A-Za-z0-9]ASIA)[0-9A-Z]{16}(?![A-Za-z0-9])"),
    ("AIza", r"AIza(?<![A-Za-z0-9]AIza)[0-9A-Za-z_-]{35}"),
    ("gh", r"gh(?<![A-Za-z0-9]gh)[pousr]_[A-Za-z0-9]{16,}"),
    ("github_pat_", r"github_pat_[A-Za-z0-9_]{20,}"),
    ("xox", r"xox(?<![A-Za-z0-9]xox)[abprs]-[A-Za-z0-9-]{10,}"),
    ("hf_", r"hf_(?<![A-Za-z0-9]hf_)[A-Za-z0-9]{20,}"),
    ("-----BEGIN ", r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|(?=\")|\Z)"),
)
_KEPT: Final = (
    ("://", r"(://)[^\s/\"'@\\<>]{1,256}(?=@)"),
    ("=", rf"([?&;](?:[\w.-]{{0,40}}?(?:{_NAMES}|signature)[\w.-]{{0,40}}|key|sig)=)[^&\s\"'\\#<>]+"),
    ("KEY=", r"((?:API|PRIVATE|ACCESS|SECRET)_KEY=[\"'\\]{0,2})[^\s\"'\\]+"),
    ("TOKEN=", r"(TOKEN=[\"'\\]{0,2})[^\s\"'\\]+"),
    ("SECRET=", r"(SECRET=[\"'\\]{0,2})[^\s\"'\\]+"),
    ("PASSWORD=", r"(PASSWORD=[\"'\\]{0,2})[^\s\"'\\]+"),
)
_PATTERNS: Final = [
    (hint.encode(), re.compile(pattern.encode(), re.DOTALL), (rb"\1" if kept else b"") + MARK.encode())
    for patterns, kept in ((_SHAPES, False), (_KEPT, True))
    for hint, pattern in patterns
]
_ENVELOPE: Final = re.compile(re.escape(PREFIX.encode()) + rb"[A-Za-z0-9+/]*={0,2}")
_MOST_OPENED: Final = 32 * 1024 * 1024
"""Bytes of JSON that the envelopes of one record may hold."""

_LONG: Final = 32 * 1024
"""Bytes from which on a pass over a text takes long enough to be felt by other threads."""


def _go_on() -> None: ...


def is_secret_name(name: str) -> bool:
    """Whether what stands under that name, of a header, a key or a variable, is kept from everything written down."""
    return _NAME.search(name) is not None


class Redactor:
    """Replaces secrets by `MARK`. secrets: those that are known, to be found wherever they stand, encoded too.

    pause: called between two passes over a long text, to let other threads run.
    """

    def __init__(self, secrets: Iterable[str] = (), pause: Callable[[], None] = _go_on) -> None:
        self._pause = pause
        forms = {form for secret in secrets if len(secret) >= SHORTEST for form in _forms(secret)}
        self._known = sorted(forms, key=len, reverse=True)

    def json(self, encoded: bytes) -> bytes:
        """Compact encoded JSON without its secrets; still the same JSON otherwise."""
        return self._json(self._envelopes(encoded))

    def text(self, text: str) -> str:
        """Text without known secrets and without what looks like a key."""
        return self._bytes(text.encode("utf-8", "replace")).decode("utf-8", "replace")

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        return {name: MARK if is_secret_name(name) else self.text(value) for name, value in headers.items()}

    def value(self, value: Any) -> Any:
        """A copy of a JSON value without its secrets. Raises InternalError when it is no JSON."""
        return orjson.loads(self.json(encode(value)))

    def _json(self, encoded: bytes) -> bytes:
        named = _NAMED.sub(rb'\1"' + MARK.encode() + b'"', encoded)
        return self._bytes(reduce(lambda text, depth: depth.sub(text), _DEPTHS, named))

    def _bytes(self, text: bytes) -> bytes:
        pause = self._pause if len(text) > _LONG else _go_on
        for known in self._known:
            pause()
            text = text.replace(known, MARK.encode())
        for hint, pattern, instead in _PATTERNS:
            pause()
            if hint in text:
                text = pattern.sub(instead, text)
        return text

    def _envelopes(self, encoded: bytes) -> bytes:
        """Envelopes without the secrets in them: as they were where there are none, so that a record can be replayed.

        What cannot be looked into is not kept.
        """
        if PREFIX.encode() not in encoded:
            return encoded
        room = _MOST_OPENED

        def clean(found: re.Match[bytes]) -> bytes:
            nonlocal room
            value = decode_lenient(opened(found[0].decode())) if room > 0 else None
            if value is None:
                return PREFIX.encode() + MARK.encode()
            packed = _ENVELOPE.sub(MARK.encode(), encode(value))
            room -= len(packed)
            redacted = self._json(packed)
            return found[0] if redacted == encode(value) else sealed(redacted).encode()

        return _ENVELOPE.sub(clean, encoded)


def _forms(secret: str) -> Iterator[bytes]:
    """A secret as it stands in text, in JSON, in JSON in JSON, in a URL, and in a Basic login's base64."""
    once = encode(secret)[1:-1]
    yield from (secret.encode("utf-8", "replace"), once, encode(once.decode())[1:-1])
    yield from (quote(secret, safe="").encode(), quote_plus(secret).encode())
    yield base64.b64encode(secret.encode("utf-8", "replace")).rstrip(b"=")
