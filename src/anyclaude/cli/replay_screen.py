"""The screen of a replay: the answer as it comes, and what differs from the recorded one.

What a model says is never taken for markup, and cannot steer the terminal.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from anyclaude.cli.output import plain
from anyclaude.trace.parts import printable
from anyclaude.trace.replay import Row
from anyclaude.wire.events import ModelEvent, TextDelta, ThinkingDelta, ToolArgsDelta, ToolCallStart
from anyclaude.wire.json import mend


class Screen:
    """Shows an answer as it comes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last: type[ModelEvent] | None = None

    def show(self, events: Sequence[ModelEvent]) -> None:
        for event in events:
            match event:
                case TextDelta(text):
                    self._piece(event, "answer", "cyan", text, "")
                case ThinkingDelta(text):
                    self._piece(event, "thinks", "dim", text, "dim")
                case ToolCallStart(_, name):
                    self._title(f"calls {plain(name)}", "yellow")
                    self._last = ToolCallStart
                case ToolArgsDelta(text):
                    self._write(text, "")
                    self._last = ToolArgsDelta

    def end(self) -> None:
        if self._last is not None:
            self._console.print()

    def _piece(self, event: ModelEvent, title: str, colour: str, text: str, style: str) -> None:
        if self._last is not type(event):
            self._title(title, colour)
            self._last = type(event)
        self._write(text, style)

    def _title(self, title: str, style: str) -> None:
        self.end()
        self._console.print(Text(title, style=style))

    def _write(self, text: str, style: str) -> None:
        self._console.print(Text(printable(mend(text)), style=style), end="", soft_wrap=True)
        self._console.file.flush()


def show_whole(message: Mapping[str, Any], console: Console) -> None:
    screen = Screen(console)
    for block in message.get("content", []):
        match block:
            case {"type": "text", "text": text}:
                screen.show([TextDelta(str(text))])
            case {"type": "thinking", "thinking": text}:
                screen.show([ThinkingDelta(str(text))])
            case {"type": "tool_use", "name": name, "input": given}:
                arguments = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
                screen.show([ToolCallStart("", str(name)), ToolArgsDelta(arguments)])
    screen.end()


def table(rows: Sequence[Row], now: str, recorded: str) -> Table:
    """now, recorded: who answered."""
    shown = Table(box=None, pad_edge=False)
    for name in ("", "recorded", "now", ""):
        shown.add_column(name, overflow="fold")
    for row in (Row("answered by", recorded, now, None), *rows):
        if row.recorded or row.now:
            mark = Text("differs", style="yellow") if row.differs else Text("")
            shown.add_row(Text(row.name), Text(plain(row.recorded)), Text(plain(row.now)), mark)
    return shown
