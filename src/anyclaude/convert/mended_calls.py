"""The calls of one answer with names that the client knows and arguments that it takes, wherever that is certain.

Small models write `bash` for `Bash`, `functions.Read`, `"50"` for 50; Claude Code refuses such a call, the model tries
again, and a turn is lost (observed with 2.1.197). An answer without calls goes through as it is.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from anyclaude.convert.mended_args import MendedArguments
from anyclaude.convert.tool_names import declared_name
from anyclaude.convert.tools import is_client_tool
from anyclaude.wire.events import Failed, Finished, ModelEvent, ToolArgsDelta, ToolCallStart, UsageReport

_OF_ITS_OWN_ACCORD: Final = ("end_turn", "tool_use")
"""Why an answer ended whose last call was not cut."""


@dataclass(frozen=True, slots=True)
class Repair:
    """tool: by its declared name. what: in a few words."""

    tool: str
    what: str


def schemas_of(request: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The tools that the client runs, and the schemas of their inputs."""
    tools = [tool for tool in request.get("tools") or () if is_client_tool(tool)]
    return {tool["name"]: tool.get("input_schema") or {} for tool in tools}


class MendedCalls:
    """A stage, for one answer. tell: called with each repair."""

    def __init__(self, schemas: Mapping[str, Mapping[str, Any]], tell: Callable[[Repair], None]) -> None:
        self._schemas = schemas
        self._tell = tell
        self._tool = ""
        self._arguments: MendedArguments | None = None  # of the call that is under way

    def feed(self, events: Sequence[ModelEvent]) -> Sequence[ModelEvent]:
        if self._arguments is None and not any(isinstance(event, ToolCallStart) for event in events):
            return events
        out: list[ModelEvent] = []
        for event in events:
            self._take(event, out)
        return out

    def _take(self, event: ModelEvent, out: list[ModelEvent]) -> None:
        if isinstance(event, ToolArgsDelta) and self._arguments is not None:
            out.extend(_deltas([self._arguments.feed(event.json)]))
            return
        if not isinstance(event, UsageReport):
            cut = isinstance(event, Failed) or (isinstance(event, Finished) and event.reason not in _OF_ITS_OWN_ACCORD)
            out.extend(_deltas(self._end(whole=not cut)))
        out.append(self._begin(event) if isinstance(event, ToolCallStart) else event)

    def _begin(self, start: ToolCallStart) -> ToolCallStart:
        name = declared_name(start.name, self._schemas)
        self._tool = name or start.name
        self._arguments = MendedArguments(self._schemas.get(self._tool))
        if name is None or name == start.name:
            return start
        self._tell(Repair(name, f"name {start.name[:40]!r}"))
        return ToolCallStart(start.id, name)

    def _end(self, *, whole: bool) -> Iterable[str]:
        if self._arguments is None:
            return
        yield self._arguments.end(whole=whole)
        for what in self._arguments.repairs:
            self._tell(Repair(self._tool, what))
        self._arguments = None


def _deltas(texts: Iterable[str]) -> Iterable[ModelEvent]:
    return (ToolArgsDelta(text) for text in texts if text)
