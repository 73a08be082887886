"""PDFs in a conversation as text, for models that take none.

A conversation is sent anew with every turn, so what was read is kept: the same document is the same text each time.
"""

import base64
import binascii
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final

from anyclaude.backends.base import Journal
from anyclaude.backends.blocks import Block, replaced
from anyclaude.backends.flights import Flights

_MOST_CHARACTERS: Final = 8_000_000

ReadPdf = Callable[[bytes], Awaitable[str]]


class Documents:
    """read_pdf: from the bytes of a PDF to its text, or to why there is none."""

    def __init__(self, read_pdf: ReadPdf, most_characters: int = _MOST_CHARACTERS) -> None:
        self._read_pdf = read_pdf
        self._texts: OrderedDict[str, str] = OrderedDict()
        self._room = most_characters
        self._flights: Flights[str] = Flights()

    async def readable(self, request: Mapping[str, Any], journal: Journal) -> Mapping[str, Any]:
        """The request with each PDF as a document of text; the very same one where there is none."""

        async def read(block: Block) -> Block:
            text = await self._text(block["source"]["data"], journal)
            return {**block, "source": {"type": "text", "media_type": "text/plain", "data": text}}

        return await replaced(request, _is_pdf, read)

    async def _text(self, encoded: str, journal: Journal) -> str:
        name = hashlib.sha256(encoded.encode()).hexdigest()
        known = self._texts.get(name)
        if known is None:
            known = await self._flights.of(name, partial(self._read, encoded))
            journal.note("document", characters=len(known))
            self._keep(name, known)
        self._texts.move_to_end(name)
        return known

    async def _read(self, encoded: str) -> str:
        try:
            document = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            return "[it is not encoded as base64]"
        return await self._read_pdf(document)

    def _keep(self, name: str, text: str) -> None:
        if name in self._texts:
            return  # another request that waited for it was quicker
        self._texts[name] = text
        self._room -= len(text)
        while self._room < 0 and len(self._texts) > 1:
            self._room += len(self._texts.popitem(last=False)[1])


def _is_pdf(block: object) -> bool:
    match block:
        case {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": str()}}:
            return True
    return False
