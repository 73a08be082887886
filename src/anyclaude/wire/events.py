"""Model events: what any model did, in one typed vocabulary, whatever the upstream's dialect.

A reader (`convert.chunks`) makes them, one writer (`convert.message`) turns them into the Anthropic stream. The reader
keeps this contract, so that the writer can stay simple:

- Tool calls come one after the other: a `ToolArgsDelta` belongs to the latest `ToolCallStart`, and no text or
  thinking comes between a call's start and its last arguments. Calls that an upstream interleaves are put in a row.
- The stream ends with exactly one `Finished` or one `Failed`, and nothing follows it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from anyclaude.errors import AnyclaudeError

StopReason = Literal["end_turn", "max_tokens", "stop_sequence", "tool_use", "refusal"]


@dataclass(frozen=True, slots=True)
class TextDelta:
    text: str


@dataclass(frozen=True, slots=True)
class ThinkingDelta:
    text: str


@dataclass(frozen=True, slots=True)
class ThinkingSignature:
    """What the client has to send back with the thinking before it: opaque to it, read again by `convert.turns`."""

    signature: str


@dataclass(frozen=True, slots=True)
class ToolCallStart:
    """A call begins. `id` is unique over the whole conversation."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ToolArgsDelta:
    """The next piece of the latest call's arguments, a fragment of one JSON object."""

    json: str


@dataclass(frozen=True, slots=True)
class ServerToolUse:
    """A tool that the client asked us to run, with its whole input: a web search."""

    id: str
    name: str
    input: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ServerToolResult:
    """What came of a `ServerToolUse`. kind: the type of its block. content: blocks, or one that tells an error."""

    tool_use_id: str
    kind: str
    content: Sequence[Mapping[str, Any]] | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Citation:
    """A page that the upstream searched and found, told beside its text. Nobody may have asked for it."""

    url: str
    title: str


@dataclass(frozen=True, slots=True)
class UsageReport:
    """Token counts of the whole request so far. `prompt_tokens` includes `cached_tokens` and `cache_write_tokens`.

    cached_tokens: None where the upstream does not say, as LM Studio. reasoning_tokens: part of `output_tokens`. cost:
    US dollars, None where the upstream does not say. web_searches: how many were made.
    """

    prompt_tokens: int
    cached_tokens: int | None
    output_tokens: int
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    cost: float | None = None
    web_searches: int = 0


@dataclass(frozen=True, slots=True)
class Finished:
    """The upstream said that the answer is complete."""

    reason: StopReason
    stop_sequence: str | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The upstream gave up, or ended without saying that it was done."""

    error: AnyclaudeError


ModelEvent = (
    TextDelta
    | ThinkingDelta
    | ThinkingSignature
    | ToolCallStart
    | ToolArgsDelta
    | ServerToolUse
    | ServerToolResult
    | Citation
    | UsageReport
    | Finished
    | Failed
)


def joined(events: Iterable[ModelEvent]) -> Iterator[ModelEvent]:
    """The events, with neighbouring deltas of one kind as one."""
    for kind, group in groupby(events, type):
        if kind is TextDelta:
            yield TextDelta("".join([event.text for event in group]))  # type: ignore[union-attr]
        elif kind is ToolArgsDelta:
            yield ToolArgsDelta("".join([event.json for event in group]))  # type: ignore[union-attr]
        elif kind is ThinkingDelta:
            yield ThinkingDelta("".join([event.text for event in group]))  # type: ignore[union-attr]
        else:
            yield from group
