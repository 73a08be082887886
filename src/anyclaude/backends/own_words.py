"""What models wrote as the arguments of their calls, kept until Claude Code sends them back (`convert.originals`).

In memory the words themselves; behind it a file with what Claude Code made different in them, for the next start. A
call that came back is noted there the first time. One that never came back had no prompt computed behind it.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from anyclaude.backends.words_file import WordsFile
from anyclaude.convert.originals import restored, says_the_same
from anyclaude.convert.rewriting import change_of
from anyclaude.wire.json import decode_lenient

_MOST_BYTES: Final = 16 * 1024 * 1024


@dataclass(slots=True)
class _Call:
    """size: characters. noted: what came back of it was compared."""

    written: dict[str, Any]
    size: int
    noted: bool = False


class OwnWords:
    """The latest calls of all sessions. An id that comes twice stands for the later call: a wrong one is never used,
    since it does not say the same. file: None where nothing is kept for the next start.
    """

    def __init__(self, most_bytes: int = _MOST_BYTES, file: WordsFile | None = None) -> None:
        self._inputs: OrderedDict[str, _Call] = OrderedDict()
        self._room = most_bytes
        self._file = file

    def keep(self, calls: Iterable[tuple[str, str]]) -> None:
        """calls: id and arguments, the text of a JSON object; what is none is passed over."""
        for call, arguments in calls:
            written = decode_lenient(arguments)
            if isinstance(written, dict):
                self._forget(call)
                self._inputs[call] = _Call(written, len(arguments))
                self._room -= len(arguments)
        while self._room < 0 and self._inputs:
            self._forget(next(iter(self._inputs)))

    async def restored(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """A Messages request with the models' own words wherever they say the same."""
        if self._file:
            await self._file.loaded()
        return restored(request, self._written)

    async def aclose(self) -> None:
        """Write what is to be kept."""
        if self._file:
            await self._file.flush()

    def _written(self, call: str, now: Mapping[str, Any]) -> Mapping[str, Any] | None:
        known, file = self._inputs.get(call), self._file
        if known is None:
            return file.original(call, now) if file else None
        if file and not known.noted and says_the_same(known.written, now):
            known.noted = True
            file.note(call, now, change_of(known.written, now))
        return known.written

    def _forget(self, call: str) -> None:
        if call in self._inputs:
            self._room += self._inputs.pop(call).size
