"""What a model writes, read as it grows: text, reasoning, tool calls, and where a stop string ends it.

The model's own markers are cut out by a `Splitter` (mlx-lm's). Here its sections become pieces of the answer:

- whitespace between reasoning, text and calls is layout of the template and is left out;
- a tool call that a grammar holds to its format is handed out as it grows, see `call_reader`; any other when it is
  whole and parses. One that does not comes back as the text that the model wrote;
- stop strings end the visible text, wherever tokens are cut; they are not looked for in reasoning and arguments.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from anyclaude.wire.json import mend
from mlx_worker.call_reader import CallReader
from mlx_worker.events import ReasoningPiece, TextPiece, ToolArguments, ToolCallBegun
from mlx_worker.runner import Markers

Piece = TextPiece | ReasoningPiece | ToolCallBegun | ToolArguments


class StopFinder:
    """Holds back text that may be the start of a stop string. `found` is the one that was met."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = stops
        self._held = ""
        self.found: str | None = None

    def feed(self, text: str) -> str:
        if self.found is not None:
            return ""
        text = self._held + text
        places = [(place, -len(stop), stop) for stop in self._stops if (place := text.find(stop)) >= 0]
        if places:
            place, _, self.found = min(places)
            self._held = ""
            return text[:place]
        keep = max((_overlap(text, stop) for stop in self._stops), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def end(self) -> str:
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """The longest end of `text` that begins `stop`."""
    lengths = range(min(len(stop) - 1, len(text)), 0, -1)
    return next((length for length in lengths if text.endswith(stop[:length])), 0)


@dataclass(slots=True)
class _Layout:
    """Whitespace around a section: dropped at the borders to others, kept inside it."""

    pending: str = ""
    at_border: bool = False

    def text(self, text: str) -> str:
        if self.at_border:
            text = text.lstrip()
        text = self.pending + text
        shown = text.rstrip()
        self.pending = text[len(shown) :]
        self.at_border = self.at_border and not shown
        return shown

    def border(self) -> None:
        self.pending, self.at_border = "", True


class OutputReader:
    """`section` is where the answer starts. `stopped` is the stop string that ended it; feed no more then."""

    def __init__(
        self,
        markers: Markers,
        *,
        section: str = "normal",
        stops: Sequence[str] = (),
        tools: Sequence[dict[str, Any]] = (),
    ) -> None:
        self._markers = markers
        self._split = markers.splitter(section)
        self._stops = StopFinder(stops)
        self._tools = list(tools) or None
        self._layout = _Layout(at_border=section == "reasoning")
        self._thinking = _Layout(at_border=True)
        self._call: str | None = None
        self._live: CallReader | None = None
        self.calls = 0

    @property
    def stopped(self) -> str | None:
        return self._stops.found

    @property
    def cut(self) -> bool:
        """A call was handed out in part, and not all of it came."""
        return self._live is not None and self._live.cut

    def feed(self, text: str, *, held: bool = False) -> list[Piece]:
        """`held`: a grammar held the token that this text came from to the model's format of calls."""
        if self._live is not None:
            return self._grow(self._live, text)
        return self._pieces(self._split(text, False), held=held)

    def end(self) -> list[Piece]:
        """The model has stopped: hand out what was held back."""
        if self._live is None:
            pieces = self._pieces(self._split("", True))
            pieces += self._close_call(complete=not self._markers.tool_end)
        else:
            unnamed = self._live.unnamed
            pieces = self._text(self._markers.tool_start + unnamed) if unnamed else []
        rest = self._stops.feed(self._layout.pending)
        return [*pieces, *_visible(rest + self._stops.end())]

    def _pieces(self, segments: list[tuple[str, str]], *, held: bool = False) -> list[Piece]:
        pieces: list[Piece] = []
        for section, text in segments:
            if section == "tool" and held and (live := self._live_call()):
                return [*pieces, *self._border(), *self._open(live, text)]
            if section == "tool":
                self._call = (self._call or "") + text
                continue
            pieces += self._close_call(complete=True)
            if self.stopped is not None:
                break
            pieces += self._reasoning(text) if section == "reasoning" else self._text(text)
        return pieces

    def _live_call(self) -> CallReader | None:
        make = self._markers.live_call
        return make(self._tools or ()) if make else None

    def _open(self, live: CallReader, text: str) -> list[Piece]:
        """From here on the reader of the call says where it ends; a marker inside an argument does not end it."""
        self._live = live
        held_back = "".join(rest for _, rest in self._split("", True))
        return self._grow(live, text + held_back)

    def _grow(self, live: CallReader, text: str) -> list[Piece]:
        before = live.calls
        pieces: list[Piece] = [*live.feed(text)]
        self.calls += live.calls - before
        if not live.over:
            return pieces
        self._live, self._split = None, self._markers.splitter("normal")
        self._layout.border()
        return pieces + self._pieces(self._split(live.rest, False), held=True)

    def _reasoning(self, text: str) -> list[Piece]:
        before = self._border()
        text = self._thinking.text(text)
        return [*before, ReasoningPiece(text)] if text else before

    def _text(self, text: str) -> list[Piece]:
        return _visible(self._stops.feed(self._layout.text(text)))

    def _border(self) -> list[Piece]:
        """Visible text is over for now: what was held back for a stop string comes out before what follows."""
        self._layout.border()
        return _visible(self._stops.end())

    def _close_call(self, *, complete: bool) -> list[Piece]:
        """A call that is over, one way or the other."""
        if self._call is None:
            return []
        text, self._call = self._call, None
        calls = self._parsed(text) if complete else []
        if not calls:
            raw = self._markers.tool_start + text + (self._markers.tool_end if complete else "")
            return self._text(raw)
        self.calls += len(calls)
        return [*self._border(), *(piece for call in calls for piece in call)]

    def _parsed(self, text: str) -> list[tuple[ToolCallBegun, ToolArguments]]:
        if self._markers.parse_tool is None:
            return []
        try:
            found = self._markers.parse_tool(text, self._tools)
            return [_call(item) for item in (found if isinstance(found, list) else [found])]
        except Exception:  # parsers are many and the text is the model's: whatever fails, the client gets the text
            return []


def _visible(text: str) -> list[Piece]:
    return [TextPiece(text)] if text else []


def _call(item: dict[str, Any]) -> tuple[ToolCallBegun, ToolArguments]:
    """Raises when the parser's item is no call with a name and an object of arguments, or holds NaN, which is no JSON.

    Half of a surrogate pair, which the model may have written as an escape, fits into no answer: it is mended.
    """
    name, arguments = item["name"], item.get("arguments", {})
    if isinstance(arguments, str):
        arguments = json.loads(arguments or "{}")
    if not isinstance(name, str) or not isinstance(arguments, dict):
        raise TypeError("a tool call needs a name and an object of arguments")
    whole = json.dumps(arguments, ensure_ascii=False, allow_nan=False)
    return ToolCallBegun(mend(name)), ToolArguments(mend(whole))
