"""What models wrote as the arguments of their calls, kept until Claude Code sends them back (`convert.originals`)."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any, Final

from anyclaude.convert.originals import restored
from anyclaude.wire.json import decode_lenient

_MOST_BYTES: Final = 16 * 1024 * 1024


class OwnWords:
    """The latest calls of all sessions. An id that comes twice stands for the later call: a wrong one is never used,
    since it does not say the same."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._inputs: OrderedDict[str, tuple[dict[str, Any], int]] = OrderedDict()
        self._room = most_bytes

    def keep(self, calls: Iterable[tuple[str, str]]) -> None:
        """calls: id and arguments, the text of a JSON object; what is none is passed over."""
        for call, arguments in calls:
            written = decode_lenient(arguments)
            if isinstance(written, dict):
                self._forget(call)
                self._inputs[call] = (written, len(arguments))
                self._room -= len(arguments)
        while self._room < 0 and self._inputs:
            self._forget(next(iter(self._inputs)))

    def restored(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """A Messages request with the models' own words wherever they say the same."""
        return restored(request, self._written)

    def _written(self, call: str) -> dict[str, Any] | None:
        written, _ = self._inputs.get(call, (None, 0))
        return written

    def _forget(self, call: str) -> None:
        if call in self._inputs:
            self._room += self._inputs.pop(call)[1]
