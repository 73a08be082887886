"""Claude itself: requests and answers are handed on byte for byte.

`relay` is the way of everything that Claude Code asks of Claude, with Claude Code's own login or key. `stream` is for
the rest: Claude as the fallback of another backend, and requests of our own, which need a key in the settings where the
client's request brings no credential.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from typing import Any, Final

from anyclaude.backends.base import Caller, EventBatches, ModelInfo, RawRequest, RelayedAnswer
from anyclaude.backends.raw import Body, Headers, RawAnswer, RawUpstream, forwarded
from anyclaude.backends.tokens import TokenEstimate
from anyclaude.config.model import Deadlines
from anyclaude.config.upstreams import Claude
from anyclaude.convert.anthropic_events import AnthropicReader
from anyclaude.convert.failures import convert_failure
from anyclaude.convert.foreign import fit_for_claude
from anyclaude.errors import AnyclaudeError, UpstreamBroken, UpstreamError, UpstreamRefusedUs
from anyclaude.wire.events import Failed, ModelEvent
from anyclaude.wire.json import decode_lenient, encode
from anyclaude.wire.sse import ServerEvent, SseDecoder

CREDENTIALS: Final = ("authorization", "x-api-key")
VERSION: Final = "2023-06-01"
_LARGEST: Final = 16 * 1024 * 1024
_LARGEST_ERROR: Final = 64 * 1024
_ERROR_BODY: Final = 5.0  # seconds


class ClaudeBackend:
    """Anthropic's API, or another that speaks it."""

    name = "claude"

    def __init__(self, settings: Claude, deadlines: Deadlines) -> None:
        self._key = settings.api_key.get_secret_value() if settings.api_key else None
        self._deadlines = deadlines
        self._upstream = RawUpstream(settings.url.removesuffix("/v1"), deadlines.connect)
        self._tokens = TokenEstimate()

    @asynccontextmanager
    async def relay(self, raw: RawRequest) -> AsyncIterator[RelayedAnswer]:
        """As `Relay.relay`. A request without a credential gets ours, if there is one, and else goes without.

        A redirect is an error: the client would follow it past us, with its key and our token.
        """
        path = raw.path.replace("/v1/v1/", "/v1/", 1) if raw.path.startswith("/v1/v1/") else raw.path
        headers = forwarded(raw.headers)
        if self._key and not _has_credential(headers):
            headers.append(("x-api-key", self._key))
        if raw.length is not None:
            headers.append(("content-length", str(raw.length)))
        async with self._exchange(raw.method, path, headers, raw.upload or raw.body) as answer:
            if _redirects(answer):
                raise self._elsewhere()
            yield answer

    @asynccontextmanager
    async def stream(
        self, request: Mapping[str, Any], caller: Caller, model: str | None = None
    ) -> AsyncIterator[EventBatches]:
        """As `Backend.stream`. Raises UpstreamRefusedUs where neither the client nor the settings have a credential."""
        fitted = fit_for_claude(request)
        if fitted is not request:
            caller.journal.note("repair", text="what other models left in the conversation was made fit for Claude")
        body = encode({**fitted, "model": model or request.get("model"), "stream": True})
        caller.journal.sent(body)
        async with self._exchange("POST", "/v1/messages", self._own_headers(caller.raw), body) as answer:
            if answer.status != 200:
                raise await self._refusal(answer)
            caller.journal.mark("accepted")
            yield _events(answer)

    async def models(self) -> list[ModelInfo]:
        """What the key in the settings may use; nothing without one."""
        if self._key is None:
            return []
        async with self._exchange("GET", "/v1/models?limit=1000", self._own_headers(None), b"") as answer:
            if answer.status != 200:
                raise await self._refusal(answer)
            listed = decode_lenient(await answer.whole(_LARGEST))
        found = listed.get("data") if isinstance(listed, Mapping) else None
        return [
            _model(entry) for entry in found or () if isinstance(entry, Mapping) and isinstance(entry.get("id"), str)
        ]

    async def ready(self, model: str | None = None) -> ModelInfo:
        """Nothing is asked: only Claude Code's own requests have its credential, and it checks that by itself."""
        return ModelInfo(id=model or "claude", tools=True, images=True)

    async def count_tokens(self, request: Mapping[str, Any], model: str | None = None) -> int:
        """An estimate, for what cannot be relayed."""
        return self._tokens.estimate(len(encode(request)))

    async def aclose(self) -> None:
        await self._upstream.aclose()

    def _exchange(self, method: str, path: str, headers: Headers, body: Body) -> AbstractAsyncContextManager[RawAnswer]:
        deadlines = self._deadlines
        return self._upstream.exchange(
            method,
            path,
            headers,
            body,
            seconds=deadlines.first_event,
            progress=deadlines.progress,
            closing=deadlines.closing,
        )

    def _own_headers(self, raw: RawRequest | None) -> list[tuple[str, str]]:
        """For a body of our own: the client's headers, less what belongs to its body."""
        headers = forwarded(raw.headers, "content-type", "content-encoding") if raw else []
        if not _has_credential(headers):
            if self._key is None:
                raise UpstreamRefusedUs("there is no key for Claude; set backends.claude.apiKey or ANTHROPIC_API_KEY")
            headers.append(("x-api-key", self._key))
        if not any(name.lower() == "anthropic-version" for name, _ in headers):
            headers.append(("anthropic-version", VERSION))
        return [*headers, ("content-type", "application/json")]

    def _elsewhere(self) -> UpstreamBroken:
        return UpstreamBroken(f"{self._upstream.origin} redirects elsewhere; give the address of the server itself")

    async def _refusal(self, answer: RawAnswer) -> AnyclaudeError:
        """The error that a status other than 200 stands for."""
        if _redirects(answer):
            return self._elsewhere()
        body = await _beginning(answer)
        if self._key:
            body = body.replace(self._key.encode(), b"[our key]")
        decoded = decode_lenient(body)
        said = decoded if decoded is not None else body.decode("utf-8", "replace")
        headers = {name.lower(): value for name, value in answer.headers}
        return convert_failure(answer.status, said, headers.get("retry-after"))


def _has_credential(headers: Headers) -> bool:
    return any(name.lower() in CREDENTIALS for name, _ in headers)


def _model(entry: Mapping[str, Any]) -> ModelInfo:
    window = entry.get("max_input_tokens")
    return ModelInfo(entry["id"], window if isinstance(window, int) else None, tools=True, images=True)


def _redirects(answer: RawAnswer) -> bool:
    return 300 <= answer.status < 400 and answer.status != 304


async def _beginning(answer: RawAnswer) -> bytes:
    """What comes of the body within the bounds: a status is worth telling also when its words are cut."""
    body = bytearray()
    with suppress(UpstreamError, TimeoutError):
        async with asyncio.timeout(_ERROR_BODY), aclosing(answer.reads()) as reads:
            while len(body) < _LARGEST_ERROR and (piece := await anext(reads, b"")):
                body += piece
    return bytes(body[:_LARGEST_ERROR])


async def _events(answer: RawAnswer) -> AsyncIterator[Sequence[ModelEvent]]:
    """One batch a read, until the reader is content; a break ends in `Failed`."""
    decoder, reader = SseDecoder(), AnthropicReader()
    try:
        async for piece in answer.reads():
            yield _read(reader, decoder.feed(piece))
            if reader.over:
                return
        yield [*_read(reader, decoder.end()), *reader.end()]
    except AnyclaudeError as error:
        if not reader.over:
            yield [Failed(error)]


def _read(reader: AnthropicReader, events: Sequence[ServerEvent]) -> list[ModelEvent]:
    found: list[ModelEvent] = []
    for event in events:
        value = decode_lenient(event.data)
        if not isinstance(value, Mapping):
            return [*found, *reader.fail(UpstreamBroken("Claude sent an event that is not a JSON object"))]
        found += reader.feed(value)
    return found
