"""Server-sent events, from bytes to events, whatever way the bytes are cut.

Bytes gather until the blank line that ends an event, and only then is anything looked at: a line that comes
in a million pieces is scanned once. Lines end in LF, CR or CRLF, and in nothing else (text decoders also
split at U+2028, inside JSON); the rare CR is turned into LF first, so that all the rest knows one kind of
line end. Payloads stay bytes, so invalid UTF-8 is for whoever decodes them to see.

The format: https://html.spec.whatwg.org/multipage/server-sent-events.html, section 9.2.6. Two wilful
differences: `id` and `retry` are dropped, because nobody reconnects to a half-told answer; and an event that
the stream's end leaves without its blank line is delivered, because some servers end so. Whether the answer
was whole is for its reader to say.
"""

from typing import Final, NamedTuple

from anyclaude.errors import UpstreamBroken

MAX_EVENT_BYTES: Final = 8 * 1024 * 1024

_BOM: Final = b"\xef\xbb\xbf"
_LF: Final = 0x0A  # as numbers: `13 in read` is ten times as fast as `b"\r" in read`
_CR: Final = 0x0D
_BLANK_LINE: Final = b"\n\n"


class ServerEvent(NamedTuple):
    """One event. `event` is its name, None when it has none; `data` its data lines, joined by LF."""

    event: str | None
    data: bytes


class SseDecoder:
    """Reads one stream. Memory is bound by `max_event_bytes` and the size of what is fed at once.

    An empty list means that bytes came, a comment perhaps, but no event: the upstream is alive.
    """

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_event_bytes = max_event_bytes
        self._pending = bytearray()  # what came since the last blank line
        self._start: bytes | None = b""  # what may become a byte order mark; None once that is settled
        self._after_cr = False  # a LF that comes next belongs to a CR already counted as a line end
        self._is_too_big = False

    def feed(self, read: bytes) -> list[ServerEvent]:
        """The events that these bytes complete.

        Raises UpstreamBroken when an event is larger than the bound, after those before it were delivered.
        """
        self._check_size()
        if self._start is not None:
            read = self._without_bom(read)
        if self._after_cr or _CR in read:
            read = self._with_lf_only(read)
        events = self._events(self._blocks(read))
        if not events:
            self._check_size()
        return events

    def end(self) -> list[ServerEvent]:
        """The stream is over: the last event, if its blank line is missing. Raises UpstreamBroken."""
        return self.feed(_BLANK_LINE)

    def _without_bom(self, read: bytes) -> bytes:
        assert self._start is not None
        read = self._start + read
        if len(read) < len(_BOM) and _BOM.startswith(read):
            self._start = read
            return b""
        self._start = None
        return read.removeprefix(_BOM)

    def _with_lf_only(self, read: bytes) -> bytes:
        if not read:
            return read
        if self._after_cr:
            read = read.removeprefix(b"\n")
        self._after_cr = read.endswith(b"\r")
        return read.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _blocks(self, read: bytes) -> list[bytes]:
        """What lies before each blank line; what follows the last one stays pending."""
        pending = self._pending
        if pending:
            if not self._ends_here(read):
                pending += read
                return []
            read = bytes(pending) + read
        blocks = read.split(_BLANK_LINE)
        self._pending = bytearray(blocks.pop())
        return blocks

    def _ends_here(self, read: bytes) -> bool:
        """Whether the pending event ends in this read. Its blank line may be cut in two."""
        return _BLANK_LINE in read or (self._pending.endswith(b"\n") and read.startswith(b"\n"))

    def _events(self, blocks: list[bytes]) -> list[ServerEvent]:
        events = []
        for block in blocks:
            if len(block) > self._max_event_bytes:
                self._is_too_big = True
                break
            if block.startswith(b"data: ") and _LF not in block:
                events.append(ServerEvent(None, block[6:]))
            elif (event := _parse(block)) is not None:
                events.append(event)
        # One byte more than the bound may be the LF that ends the last line.
        if len(self._pending) > self._max_event_bytes + 1:
            self._is_too_big = True
        return events

    def _check_size(self) -> None:
        if self._is_too_big:
            raise UpstreamBroken(f"The upstream sent an event of more than {self._max_event_bytes} bytes.")


def _parse(block: bytes) -> ServerEvent | None:
    """The event that these lines tell, None when they hold no data."""
    name = b""
    lines = []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        if field == b"data":
            lines.append(value.removeprefix(b" "))
        elif field == b"event":
            name = value.removeprefix(b" ")
    if not lines:
        return None
    return ServerEvent(name.decode(errors="replace") or None, b"\n".join(lines))
