"""The events of one answer on their way from the upstream's chunks to the client: read, then mended, stage by stage.

A stage takes events and gives events, with the contract of `wire.events` on both sides. One may end an answer before
the upstream does; then nothing more is read, and the upstream is let go.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from anyclaude.convert.chunks import ChunkReader
from anyclaude.errors import AnyclaudeError
from anyclaude.wire.events import Failed, Finished, ModelEvent, UsageReport, joined


class Stage(Protocol):
    def feed(self, events: Sequence[ModelEvent]) -> Sequence[ModelEvent]:
        """What becomes of some events; the last ones of an answer end with `Finished` or `Failed`."""
        ...


class AnswerReader:
    """A `ChunkReader` with stages behind it."""

    def __init__(self, chunks: ChunkReader, stages: Sequence[Stage] = ()) -> None:
        self._chunks = chunks
        self.take = chunks.take
        """Read one decoded chunk, whose events `taken` gives."""
        self._stages = stages
        self._ended = False

    @property
    def over(self) -> bool:
        """The last event is out; nothing more will be read."""
        return self._ended or self._chunks.over

    @property
    def finish_observed(self) -> bool:
        """The upstream has said why it ended; what may still come is usage."""
        return self._chunks.finish_observed

    @property
    def usage(self) -> UsageReport | None:
        """The latest counts that the upstream reported."""
        return self._chunks.usage

    def calls(self) -> list[tuple[str, str]]:
        """Id and arguments of each call that is complete, as the upstream gave them."""
        return self._chunks.calls()

    def taken(self) -> Sequence[ModelEvent]:
        """The events of the chunks that were taken since the last time, as they were read."""
        return self._chunks.taken()

    def done(self) -> Sequence[ModelEvent]:
        """The upstream said `[DONE]`."""
        return self._chunks.done()

    def end(self) -> Sequence[ModelEvent]:
        """The input has ended."""
        return self._chunks.end()

    def fail(self, error: AnyclaudeError) -> Sequence[ModelEvent]:
        """The transport broke."""
        return self._chunks.fail(error)

    def staged(self, events: Iterable[ModelEvent]) -> Sequence[ModelEvent]:
        """What becomes of the events of one read of the upstream: in a burst, the stages see them as one."""
        if self._ended:
            return ()
        staged: Sequence[ModelEvent] = list(joined(events))
        for stage in self._stages:
            staged = stage.feed(staged) if staged else staged
        self._ended = bool(staged) and isinstance(staged[-1], Finished | Failed)
        return staged
