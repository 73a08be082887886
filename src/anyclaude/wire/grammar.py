"""The grammar of an Anthropic event stream: one table of what may follow what.

Two rules for this file. Everything that is true of the order of events is in `TABLE`; and nothing here knows who
writes the stream. `convert.message.MessageWriter` looks up the table to know when a block must be closed first;
`Grammar` walks it over a finished stream, in the tests as the oracle and over a stream that we only pass on.

An event is looked up by its symbol: its type, and for blocks and deltas also the kind (`start:text`,
`delta:text_delta`). A `message_delta` is `finish` when it carries a stop reason and `progress` when it does not: Claude
Code takes the latter as a sign of life (observed with 2.1.197; a `ping` is not one for it).

Claude Code and the SDKs also take blocks that overlap. We write one block at a time, as Anthropic's own API does.
"""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Any, Final

from anyclaude.errors import GrammarError


class State(Enum):
    IDLE = auto()  # nothing was said
    MESSAGE = auto()  # the message is open, no block is
    TEXT = auto()
    THINKING = auto()
    TOOL = auto()  # a call, of the client's or of the server's
    RESULT = auto()  # what a server's tool found: the whole of it is in its start
    OTHER = auto()  # a block of a kind that we only pass on
    FINISHED = auto()  # the stop reason is out
    DONE = auto()
    FAILED = auto()


_SIGNS_OF_LIFE = ("ping", "progress")


def _block(state: State, *deltas: str) -> dict[str, State]:
    """The row of an open block: its own deltas keep it open, `stop` leads back to the message."""
    own = dict.fromkeys((*(f"delta:{kind}" for kind in deltas), *_SIGNS_OF_LIFE), state)
    return {**own, "content_block_stop": State.MESSAGE, "error": State.FAILED}


TABLE: Final[Mapping[State, Mapping[str, State]]] = {
    State.IDLE: {"message_start": State.MESSAGE, "ping": State.IDLE, "error": State.FAILED},
    State.MESSAGE: {
        "start:text": State.TEXT,
        "start:thinking": State.THINKING,
        "start:tool_use": State.TOOL,
        "start:server_tool_use": State.TOOL,
        "start:web_search_tool_result": State.RESULT,
        "start:*": State.OTHER,
        "ping": State.MESSAGE,
        "progress": State.MESSAGE,
        "finish": State.FINISHED,
        "error": State.FAILED,
    },
    State.TEXT: _block(State.TEXT, "text_delta", "citations_delta"),
    State.THINKING: _block(State.THINKING, "thinking_delta", "signature_delta"),
    State.TOOL: _block(State.TOOL, "input_json_delta"),
    State.RESULT: _block(State.RESULT),
    State.OTHER: _block(State.OTHER, "*"),
    State.FINISHED: {"message_stop": State.DONE, "ping": State.FINISHED, "error": State.FAILED},
    State.DONE: {},
    State.FAILED: {},
}

OPEN_BLOCK: Final = frozenset({State.TEXT, State.THINKING, State.TOOL, State.RESULT, State.OTHER})


def symbol(event: Mapping[str, Any]) -> str:
    """The name under which an event stands in the table."""
    match event["type"]:
        case "content_block_start":
            return f"start:{event['content_block']['type']}"
        case "content_block_delta":
            return f"delta:{event['delta']['type']}"
        case "message_delta":
            return "progress" if event["delta"].get("stop_reason") is None else "finish"
        case other:
            return str(other)


class Grammar:
    """Walks the table over a stream, one event at a time."""

    def __init__(self) -> None:
        self.state = State.IDLE
        self._index = -1

    def feed(self, event: Mapping[str, Any]) -> None:
        """Take the next event. Raises GrammarError when it may not stand here."""
        name = symbol(event)
        row = TABLE[self.state]
        following = row.get(name) or row.get(name.partition(":")[0] + ":*")
        if following is None:
            raise GrammarError(f"{name} may not follow in state {self.state.name}")
        self._check_index(event)
        self.state = following

    def end(self) -> None:
        """The stream is over. Raises GrammarError unless it said so itself."""
        if self.state not in (State.DONE, State.FAILED):
            raise GrammarError(f"the stream ended in state {self.state.name}")

    def _check_index(self, event: Mapping[str, Any]) -> None:
        if "index" not in event:
            return
        if event["type"] == "content_block_start":
            self._index += 1
        if event["index"] != self._index:
            raise GrammarError(f"block index {event['index']} where {self._index} is due")
