"""OpenRouter's `reasoning_details`, carried through the client inside the signature of a thinking block.

The details of one turn must go back unmodified with the next one, else providers refuse them or think anew. Claude Code
keeps a thinking block's signature as it is, so the details travel there: a prefix of ours, and base64 of zlib of JSON.
Only the model that made them gets them back: the one that was asked, unless the answer itself names another (OpenRouter
may ask a stand-in out of `models`). An envelope that is foreign, broken or too large is as good as none.

Source of the shapes: https://openrouter.ai/docs/use-cases/reasoning-tokens
"""

import base64
import binascii
import zlib
from collections.abc import Collection, Iterable
from typing import Any, Final

from anyclaude.wire.json import decode_lenient, encode

PREFIX: Final = "anyclaude.1."
_GROWING: Final = ("text", "summary", "data")
_LARGEST: Final = 4 * 1024 * 1024  # bytes of JSON in one envelope
_LARGEST_SUM: Final = 32 * 1024 * 1024  # ... and in all of a conversation


class Details:
    """Fragments of one answer, put together by index and type, in the order of their first appearance.

    size: characters in them, about.
    """

    def __init__(self) -> None:
        self.size = 0
        self._begun: list[dict[str, Any]] = []
        self._pieces: list[dict[str, list[str]]] = []

    @property
    def merged(self) -> list[dict[str, Any]]:
        joined = ({name: "".join(texts) for name, texts in pieces.items()} for pieces in self._pieces)
        return [one | texts for one, texts in zip(self._begun, joined, strict=True)]

    def add(self, fragments: object) -> None:
        """What is no list of objects is passed over."""
        for fragment in fragments if isinstance(fragments, list) else ():
            if isinstance(fragment, dict):
                self._add(fragment)

    def _add(self, fragment: dict[str, Any]) -> None:
        place = next((i for i in reversed(range(len(self._begun))) if _same(self._begun[i], fragment)), None)
        if place is None:
            place = len(self._begun)
            self._begun.append({})
            self._pieces.append({})
        begun, pieces = self._begun[place], self._pieces[place]
        for name, value in fragment.items():
            self.size += len(value) if isinstance(value, str) else 16
            if name in _GROWING and isinstance(value, str):
                begun.setdefault(name, value)
                pieces.setdefault(name, []).append(value)
            elif value is not None or name not in begun:
                begun[name] = value


def _same(begun: dict[str, Any], fragment: dict[str, Any]) -> bool:
    """Whether a fragment goes on with what was begun. Without an index only text is sent in pieces."""
    if begun.get("index") != fragment.get("index") or begun.get("type") != fragment.get("type"):
        return False
    if begun.get("id") and fragment.get("id") and begun["id"] != fragment["id"]:
        return False
    return fragment.get("index") is not None or fragment.get("type") == "reasoning.text"


def readable(fragments: object) -> str:
    """The text in some fragments that a person can read."""
    found = fragments if isinstance(fragments, list) else []
    texts = (one.get("text") or one.get("summary") for one in found if isinstance(one, dict))
    return "".join(text for text in texts if isinstance(text, str))


class Sealing:
    """Collects the details of one answer and hands them out in envelopes. model: the one that was asked."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._by = model
        self._details = Details()
        self._part = 0
        self._too_large = False

    def answered_by(self, name: object) -> None:
        """What the answer calls its model."""
        if isinstance(name, str) and name:
            self._by = name

    def add(self, fragments: object) -> None:
        if self._details.size <= _LARGEST:
            self._details.add(fragments)

    def seal(self) -> str | None:
        """The envelope for what came since the last one, None when there is nothing to carry.

        A part that was lost would make the others wrong, so after one that is too large there are no more.
        """
        if not self._details.size or self._too_large:
            return None
        details, self._details = self._details.merged, Details()
        packed = encode({"model": self._model, "by": self._by, "part": self._part, "details": details})
        self._part += 1
        self._too_large = len(packed) > _LARGEST
        return None if self._too_large else sealed(packed)


def sealed(packed: bytes) -> str:
    """The envelope around some JSON."""
    return PREFIX + base64.b64encode(zlib.compress(packed)).decode()


def opened(envelope: str) -> bytes:
    """The JSON in an envelope, whatever model it is of. Empty for one that is broken or too large."""
    return _unpacked(envelope.removeprefix(PREFIX), _LARGEST)


class Unsealing:
    """Opens the envelopes of one conversation for the model that is asked now. Memory for all of them is bounded.

    answers_as: see `Profile.answers_as`.
    """

    def __init__(self, model: str, answers_as: Collection[str] = ()) -> None:
        self._model = model
        self._answers_as = answers_as
        self._room = _LARGEST_SUM

    def details(self, signatures: Iterable[object]) -> list[dict[str, Any]]:
        """The details in the envelopes of one assistant turn, as they came."""
        answers: list[Details] = []
        for envelope in map(self._open, signatures):
            if envelope is None:
                continue
            if envelope.get("part") == 0 or not answers:
                answers.append(Details())
            answers[-1].add(envelope.get("details"))
        return [one for answer in answers for one in answer.merged]

    def _open(self, signature: object) -> dict[str, Any] | None:
        if not isinstance(signature, str) or not signature.startswith(PREFIX):
            return None
        packed = _unpacked(signature.removeprefix(PREFIX), min(_LARGEST, self._room))
        self._room -= len(packed)
        envelope = decode_lenient(packed)
        return envelope if isinstance(envelope, dict) and self._is_own(envelope) else None

    def _is_own(self, envelope: dict[str, Any]) -> bool:
        if envelope.get("model") != self._model:
            return False
        return not self._answers_as or envelope.get("by", self._model) in self._answers_as


def _unpacked(text: str, largest: int) -> bytes:
    """The bytes in an envelope, empty where there are none, or more than `largest`."""
    if largest <= 0:
        return b""
    inflater = zlib.decompressobj()
    try:
        packed = inflater.decompress(base64.b64decode(text, validate=True), largest)
    except (binascii.Error, ValueError, zlib.error):
        return b""
    return packed if inflater.eof else b""
