"""Chat Completions chunks to model events: the reader for every OpenAI-compatible upstream.

Sans-IO: `feed` takes one decoded chunk, `done` the `[DONE]` mark, `end` the end of the input. In a burst `take` reads
chunk after chunk, and `taken` makes one event of all neighbouring deltas of one kind.

Success is observed: only a `finish_reason` makes `Finished`, and it is held back until the input ends, since usage
comes after it. An input that ends without one is `Failed`, however whole the text looks.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

from anyclaude.convert.citations import CitationReader
from anyclaude.convert.failures import convert_failure
from anyclaude.convert.reasoning import Sealing, readable
from anyclaude.convert.stops import convert_finish
from anyclaude.convert.tool_calls import ToolCallQueue, ToolIds
from anyclaude.convert.usage import convert_usage
from anyclaude.errors import AnyclaudeError, UpstreamBroken
from anyclaude.wire.events import Failed, Finished, ModelEvent, TextDelta, ThinkingDelta, ThinkingSignature, UsageReport
from anyclaude.wire.json import whole_characters

_CUT = "the model server ended its answer without saying that it was complete; it may have crashed or run out of memory"
_EMPTY = "the model server closed the stream without a single event; its log says why (often the prompt did not fit)"

_MOST_BLANK: Final = 4096
"""Characters of white space that are held; a model that writes on so has lost its way, and the client may see it."""


class ChunkReader:
    """One answer. The events keep the contract of `wire.events`.

    chunks: how many chunks came.
    finish_observed: the upstream has said why it ended; what may still come is usage.
    over: the last event is out; nothing more will be read.
    usage: the latest counts that the upstream reported.

    details_for: the model whose `reasoning_details` are carried to the client; None: they are only read.
    """

    def __init__(self, ids: ToolIds, stop_sequences: Collection[str] = (), details_for: str | None = None) -> None:
        self.chunks = 0
        self.over = False
        self._events: list[ModelEvent] = []  # of what was taken
        self._said: type[TextDelta | ThinkingDelta] = TextDelta  # what the pieces behind them are of
        self._pieces: list[str] = []
        self._stop_sequences = stop_sequences
        self._calls = ToolCallQueue(ids)
        self._citations = CitationReader()
        self._finish: Finished | None = None
        self.usage: UsageReport | None = None
        self._half = ""  # the first half of a character that was cut over two chunks
        self._blank = ""  # white space that may turn out to be the beginning of a text
        self._text_begun = False
        self._details = None if details_for is None else Sealing(details_for)

    @property
    def finish_observed(self) -> bool:
        return self._finish is not None

    def calls(self) -> list[tuple[str, str]]:
        """Id and arguments of each call that is complete."""
        return self._calls.made()

    def feed(self, chunk: object) -> list[ModelEvent]:
        """The events of one decoded chunk (the JSON of one `data:` line)."""
        self.take(chunk)
        return self.taken()

    def take(self, chunk: object) -> None:
        """As `feed`; the events are given by `taken`."""
        if self.over:
            return
        self.chunks += 1
        if not isinstance(chunk, dict):
            self._fail(UpstreamBroken("the model server sent a chunk that is not a JSON object"))
        elif chunk.get("error"):
            self._fail(convert_failure(None, chunk))
        else:
            self._chunk(chunk)

    def taken(self) -> list[ModelEvent]:
        """The events of all that was taken since the last time."""
        self._settle()
        events, self._events = self._events, []
        return events

    def done(self) -> list[ModelEvent]:
        """The upstream said `[DONE]`."""
        return self.end()

    def end(self) -> list[ModelEvent]:
        """The input has ended."""
        if self.over:
            return self.taken()
        if self._finish is None:
            self._fail(UpstreamBroken(_CUT if self.chunks else _EMPTY))
            return self.taken()
        self.over = True
        self._settle()
        self._events += self._calls.end()
        self._seal()
        if self._calls.called and self._finish.reason == "end_turn":
            self._finish = Finished("tool_use")
        return [*self.taken(), *self._citations.end(), *self._last_usage(), self._finish]

    def fail(self, error: AnyclaudeError) -> list[ModelEvent]:
        """The transport broke. After an observed finish nothing is lost, so that still counts as the end."""
        if self.over or self.finish_observed:
            return self.end()
        self._fail(error)
        return self.taken()

    def _fail(self, error: AnyclaudeError) -> None:
        """What waits in the queue is dropped: it would close a call that is not complete, as if it were."""
        self._settle()
        self.over = True
        self._events += [*self._last_usage(), Failed(error)]

    def _last_usage(self) -> list[ModelEvent]:
        return [self.usage] if self.usage else []

    def _settle(self) -> None:
        """Make events of the pieces, and of what can be said of calls. Only one of both is waiting."""
        if self._pieces:
            self._events.append(self._said("".join(self._pieces)))
            self._pieces = []
        elif self._calls.busy:
            self._events += self._calls.taken()

    def _chunk(self, chunk: Mapping[str, Any]) -> None:
        if "usage" in chunk or "timings" in chunk:
            self.usage = convert_usage(chunk) or self.usage
        if self._details:
            self._details.answered_by(chunk.get("model"))
        choices = chunk.get("choices")
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            return
        if error := choices[0].get("error"):
            self._fail(convert_failure(None, {"error": error}))
        else:
            self._choice(choices[0])

    def _choice(self, choice: Mapping[str, Any]) -> None:
        """A choice holds a `delta`, or a whole `message` where a server did not stream."""
        delta = choice.get("delta") or choice.get("message")
        if "annotations" in choice or (isinstance(delta, dict) and "annotations" in delta):
            self._citations.feed(choice)
        if isinstance(delta, dict):
            self._delta(delta)
        reason = choice.get("finish_reason")
        if reason == "error":
            self._fail(UpstreamBroken("the model server reported an error in mid-answer"))
        elif reason:
            self._settle()
            self._finish = convert_finish(choice, self._calls.called, self._stop_sequences)

    def _delta(self, delta: Mapping[str, Any]) -> None:
        details = delta.get("reasoning_details")
        if details and self._details:
            self._details.add(details)
        thinking = delta.get("reasoning_content") or delta.get("reasoning") or (details and readable(details))
        if thinking:
            self._say(ThinkingDelta, _plain(thinking))
        content = delta.get("content") or delta.get("refusal")
        if content and (text := content if isinstance(content, str) else _plain(content)):
            self._text(text)
        calls = delta.get("tool_calls")
        if calls:
            self._blank, self._text_begun = "", False
            self._seal()
            if self._pieces:
                self._settle()
            self._calls.take(calls)

    def _text(self, text: str) -> None:
        """White space alone is held back, up to a bound: before a call or at the end it would make an empty block."""
        if self._half or not text.isascii():
            text, self._half = whole_characters(self._half + text)
        if not self._text_begun:
            text = self._blank + text
            if len(text) <= _MOST_BLANK and (not text or text.isspace()):
                self._blank = text
                return
            self._blank, self._text_begun = "", True
        self._seal()
        self._say(TextDelta, text)

    def _seal(self) -> None:
        """Thinking is over: what came of it goes to the client. Within a call it waits for the end of the answer."""
        if self._details:
            self._settle()
            if not self._calls.busy and (envelope := self._details.seal()):
                self._events.append(ThinkingSignature(envelope))

    def _say(self, kind: type[TextDelta | ThinkingDelta], text: str) -> None:
        if self._said is not kind or self._calls.busy:
            self._settle()
            self._said = kind
        if text and self._calls.busy:
            self._calls.wait(kind(text))
        elif text:
            self._pieces.append(text)


def _plain(content: object) -> str:
    """Content is a string; some servers send a list of text parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(_plain(part.get("text") or "") for part in content if isinstance(part, dict))
    return ""
