"""Tool calls of one answer: from an upstream's fragments, in any order, to calls that come one after the other.

Fragments are told apart by `index`, or by `id` where the index is missing. The first call that is not complete streams
as it grows; what comes for later calls, and text between calls, waits in the queue until it is complete. Known faults
of servers are mended on the way: ids that are missing or were used before get a new one, a call that is sent twice
counts once, an index that is used again begins a new call, as does a second object in the arguments of a first, and
what else follows a closing brace is dropped.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from anyclaude.convert.tool_args import ObjectScanner
from anyclaude.errors import UpstreamBroken
from anyclaude.wire.events import ModelEvent, TextDelta, ThinkingDelta, ToolArgsDelta, ToolCallStart
from anyclaude.wire.json import encode, whole_characters

_MOST_CALLS = 64
"""Calls of one answer before objects in a row count as nonsense."""

_EACH_CALL = 1000
"""What a call takes of the room for all of them beside its arguments, in characters."""

_NO_ARGUMENTS_YET = frozenset({"", "n", "nu", "nul", "null"})

NAMELESS = "unnamed_tool"
"""Stands in for a name that never came: Claude Code then tells the model that there is no such tool."""


class ToolIds:
    """Gives out ids that are unique over the whole conversation.

    Claude Code drops calls whose id was used in an earlier turn (observed with 2.1.197), and servers that count from
    `call_0` in every answer are common. An id of the upstream's own is kept where it can be.
    """

    def __init__(self, taken: Iterable[str], mint: Callable[[], str]) -> None:
        self._taken = set(taken)
        self._mint = mint

    def is_taken(self, candidate: str) -> bool:
        return candidate in self._taken

    def claim(self, candidate: str | None) -> str:
        while not candidate or candidate in self._taken:
            candidate = self._mint()
        self._taken.add(candidate)
        return candidate


@dataclass(eq=False, slots=True)
class _Call:
    upstream_id: str | None = None
    first_id: str | None = None  # its id when its name came; one that comes later is too late, however reads are cut
    id: str | None = None  # as the client knows it
    name: str | None = None
    started: bool = False
    suspect: bool = False  # its id was seen before in this answer: perhaps the same call once more
    pieces: list[str] = field(default_factory=list)
    half: str = ""  # the first half of a character that was cut over two fragments
    sent: int = 0  # how many of the pieces are out
    scanner: ObjectScanner = field(default_factory=ObjectScanner)

    @property
    def complete(self) -> bool:
        return self.scanner.complete

    @property
    def args(self) -> str:
        return "".join(self.pieces)

    def add(self, piece: str) -> str:
        """What follows the end of the arguments."""
        if self.half or not piece.isascii():
            piece, self.half = whole_characters(self.half + piece)
        kept = self.scanner.feed(piece) if piece else ""
        if kept:
            self.pieces.append(kept)
        return piece[len(kept) :]


class ToolCallQueue:
    """Puts the calls of one answer in a row. `take` takes `delta.tool_calls`, `taken` gives what they lead to, `end`
    what still waits.

    Raises UpstreamBroken when what it must remember grows beyond `largest` characters.
    """

    def __init__(self, ids: ToolIds, largest: int = 64 * 1024 * 1024) -> None:
        self.called = False
        self._room = largest
        self._ids = ids
        self._by_key: dict[object, _Call] = {}
        self._latest: _Call | None = None
        self._calls: list[_Call] = []
        self._upstream_ids: set[str] = set()
        self._said: set[tuple[str | None, str | None, int]] = set()  # id or None, name, hash of the arguments
        self._queue: deque[_Call | TextDelta | ThinkingDelta] = deque()

    @property
    def busy(self) -> bool:
        """A call is under way, so that nothing else may be said."""
        return bool(self._queue)

    def made(self) -> list[tuple[str, str]]:
        """Id and arguments of each call that is out and complete."""
        return [(call.id, call.args) for call in self._calls if call.id is not None and call.complete]

    def wait(self, event: TextDelta | ThinkingDelta) -> None:
        """Text that came while a call was under way: it follows the call."""
        self._hold(len(event.text))
        self._queue.append(event)

    def take(self, fragments: object) -> None:
        """The `tool_calls` of one delta."""
        for fragment in fragments if isinstance(fragments, list) else [fragments]:
            if isinstance(fragment, dict):
                self._add(fragment)

    def taken(self) -> list[ModelEvent]:
        """The events of what was taken since the last time."""
        return self._advance(final=False)

    def end(self) -> list[ModelEvent]:
        return self._advance(final=True)

    def _add(self, fragment: dict[str, Any]) -> None:
        function = fragment.get("function")
        function = function if isinstance(function, dict) else {}
        upstream_id, name = _text(fragment.get("id")), _text(function.get("name"))
        piece = _arguments(function.get("arguments"))
        self._hold(len(piece))
        call = self._find(fragment.get("index"), upstream_id, name, piece)
        if call is None:
            return
        if upstream_id is not None or name is not None:
            call.upstream_id = call.upstream_id or upstream_id
            if call.name is None:
                call.name, call.first_id = name, call.upstream_id
            self._note_id(upstream_id)
        if rest := call.add(piece):
            index = fragment.get("index")
            self._add_merged(index if isinstance(index, int) else upstream_id, call, rest)

    def _add_merged(self, key: object, call: _Call, rest: str) -> None:
        """What follows the end of a call's arguments: models write the next call into the last one."""
        while (rest := rest.lstrip()).startswith("{"):
            another = self._begin_merged(key, call.name)
            if another is None:
                return
            rest = another.add(rest)

    def _hold(self, characters: int) -> None:
        self._room -= characters
        if self._room < 0:
            raise UpstreamBroken("the model server's tool calls found no end")

    def _find(self, index: object, upstream_id: str | None, name: str | None, piece: str) -> _Call | None:
        """The call that a fragment belongs to, a new one, or None for a repetition."""
        key: object = index if isinstance(index, int) else upstream_id
        call = self._latest if key is None else self._by_key.get(key)
        named = upstream_id is not None or name is not None
        if call is None or (named and self._begins_another(call, upstream_id, name, piece)):
            return self._begin(key, upstream_id) if named or piece else None
        if not call.scanner.complete:
            return call
        return self._begin_merged(key, call.name) if piece.lstrip().startswith("{") else None

    def _begins_another(self, call: _Call, upstream_id: str | None, name: str | None, piece: str) -> bool:
        if upstream_id and call.upstream_id and upstream_id != call.upstream_id:
            return name is not None or (call.complete and piece != "")  # some make up an id for every fragment
        if call.complete:
            return name is not None and (name != call.name or piece not in ("", call.args))
        return upstream_id is None and None not in (name, call.name) and name != call.name

    def _begin(self, key: object, upstream_id: str | None) -> _Call:
        self._hold(_EACH_CALL)
        call = _Call(upstream_id=upstream_id, suspect=upstream_id in self._upstream_ids)
        self._note_id(upstream_id)
        self._by_key[key] = self._latest = call
        self._calls.append(call)
        self._queue.append(call)
        return call

    def _note_id(self, upstream_id: str | None) -> None:
        if upstream_id is not None:
            self._upstream_ids.add(upstream_id)

    def _begin_merged(self, key: object, name: str | None) -> _Call | None:
        """Another call of the same tool, unless it turns out to be the same call once more; None for nonsense."""
        if len(self._calls) >= _MOST_CALLS:
            return None
        call = self._begin(key, None)
        call.name, call.suspect = name, True
        return call

    def _advance(self, final: bool) -> list[ModelEvent]:
        events: list[ModelEvent] = []
        while self._queue:
            head = self._queue[0]
            if isinstance(head, _Call):
                self._speak(head, final, events)
                if not (head.complete or final):
                    break
                self._note_said(head)
            else:
                events.append(head)
            self._queue.popleft()
        return events

    def _speak(self, call: _Call, final: bool, events: list[ModelEvent]) -> None:
        """What can be said of the call now."""
        settled = final or call.scanner.complete
        if not settled and (call.name is None or call.suspect):
            return
        if not call.started:
            if call.suspect and self._is_repetition(call):
                return
            call.started = self.called = True
            call.id = self._ids.claim(call.first_id)
            events.append(ToolCallStart(call.id, call.name or NAMELESS))
        if call.sent < len(call.pieces) and (call.sent or self._has_arguments(call, settled)):
            events.append(ToolArgsDelta("".join(call.pieces[call.sent :])))
            call.sent = len(call.pieces)

    def _has_arguments(self, call: _Call, settled: bool) -> bool:
        """`null` stands for no arguments, so its first letters are held back until more is known."""
        beginning = call.args.strip()
        return beginning not in ("", "null") if settled else beginning not in _NO_ARGUMENTS_YET

    def _note_said(self, call: _Call) -> None:
        if call.started:
            arguments = hash(call.args)
            self._said |= {(call.upstream_id, call.name, arguments), (None, call.name, arguments)}

    def _is_repetition(self, call: _Call) -> bool:
        return (call.upstream_id, call.name, hash(call.args)) in self._said


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _arguments(value: object) -> str:
    """Arguments are JSON text; some servers send the object itself."""
    if value is None or isinstance(value, str):
        return value or ""
    return encode(value).decode()
