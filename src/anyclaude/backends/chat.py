"""Any OpenAI-compatible server: convert, post, read. LM Studio and the workers are this with other constants.

The upstream is always asked to stream, also for an answer that the client wants whole: when a client leaves, llama.cpp
cancels only what it streams (observed with b11549).

A parameter that the server refuses is left out and the request sent again at once; that is remembered for the model.
A refusal may be a status, or the first event of a stream that was accepted (LM Studio, OpenRouter), so an answer counts
as accepted once it has said something.

What is known of a model is put together anew for each request: the backend's profile, the model's family, what the
server says of it, what the person says, what was refused (`config.profiles`).
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from anyclaude.backends.aside import aside
from anyclaude.backends.base import Caller, EventBatches, ModelInfo
from anyclaude.backends.http import Answer, Upstream, mapped
from anyclaude.backends.lessons import MOST, Lessons
from anyclaude.backends.mending import call_ids, stages_of
from anyclaude.backends.own_words import OwnWords
from anyclaude.backends.prefix_watch import PrefixWatch
from anyclaude.backends.reading import Batches, failure_of, says_nothing
from anyclaude.backends.status import BackendStatus
from anyclaude.backends.tokens import Counter, TokenEstimate, text_bytes
from anyclaude.config.model import Deadlines
from anyclaude.config.profiles import NO_CHANGES, Changes, change_of, changed, known
from anyclaude.convert.answer_reader import AnswerReader
from anyclaude.convert.chunks import ChunkReader
from anyclaude.convert.prefix_change import Prompt, prompt_of
from anyclaude.convert.profile import Profile
from anyclaude.convert.repetition import same_call_again
from anyclaude.convert.request import convert_request
from anyclaude.errors import PromptTooLong, UpstreamBroken, UpstreamRejected
from anyclaude.wire.events import Failed, Finished, ModelEvent, TextDelta, UsageReport
from anyclaude.wire.json import decode_lenient, encode

CURRENT_MODEL: Final = "current-model"
"""The name for whatever the server has loaded."""

_TOLD: Final = ("context_window", "tools", "images")  # what `ModelInfo` and a person's word have in common


@dataclass(frozen=True, slots=True)
class _Accepted:
    """An answer that has begun, and the size in bytes of what it answers, as text."""

    size: int
    reader: AnswerReader
    batches: EventBatches


class ChatBackend:
    """One OpenAI-compatible upstream. changes: what the person says of models, by their names. own_words: the models',
    which nodes of one cluster share.
    """

    def __init__(
        self,
        name: str,
        upstream: Upstream,
        model: str,
        profile: Profile,
        deadlines: Deadlines,
        changes: Changes = NO_CHANGES,
        own_words: OwnWords | None = None,
    ) -> None:
        self.name = name
        self.profile = profile
        self.counter: Counter | None = None  # of upstreams that count
        self._upstream = upstream
        self._model = model
        self._deadlines = deadlines
        self._changes = changes
        self._said: dict[str, ModelInfo] = {}  # by the server, of its models, the one that answers first
        self._tokens = TokenEstimate()
        self._prefixes = PrefixWatch()
        self._own_words = own_words or OwnWords()
        self._lessons = Lessons()

    @asynccontextmanager
    async def stream(
        self, request: Mapping[str, Any], caller: Caller, model: str | None = None
    ) -> AsyncIterator[EventBatches]:
        if (said := same_call_again(request)) and self._profile(model).repairs:
            caller.journal.note("repair", what="the same call again: the turn was ended")
            yield _one([TextDelta(said), Finished("end_turn")])
            return
        request = await self._own_words.restored(request)
        async with AsyncExitStack() as stack:
            accepted = await self._accepted(stack, request, caller, model)
            yield accepted.batches
        self._own_words.keep(accepted.reader.calls())
        if usage := accepted.reader.usage:
            self._tokens.learn(accepted.size, usage.prompt_tokens)
            _note_usage(caller, usage)

    def profile_of(self, model: str | None) -> Profile:
        """What is known of a model without the person's word; None: the one that the backend is set to."""
        name = self.name_of(model)
        profile, said = known(self.profile, name), self._said.get(name)
        if said is None:
            return profile
        images = profile.images if said.images is None else said.images
        return replace(profile, images=images, context_window=said.context_window)

    def sees(self, model: str | None) -> bool:
        """Whether the model takes images."""
        return self._profile(model).images

    def name_of(self, model: str | None) -> str:
        """The name that facts about a model go by: of `current-model`, that of the model that answers to it."""
        name = model or self._model
        return next(iter(self._said), name) if name == CURRENT_MODEL else name

    def heard(self, found: list[ModelInfo]) -> list[ModelInfo]:
        """Keep what the server says of its models, and hand it on with the person's word over it."""
        self._said = {model.id: model for model in found} or self._said
        return [self.described(model) for model in found]

    def described(self, model: ModelInfo) -> ModelInfo:
        """A model as the person says: window, tools and images."""
        change = change_of(model.id, self._changes)
        return replace(model, **{name: value for name in _TOLD if (value := getattr(change, name)) is not None})

    def fields(self, caller: Caller) -> dict[str, Any]:
        """Fields of one request beside what is converted."""
        return {}

    def headers(self, caller: Caller) -> dict[str, str]:
        """Headers of one request beside the credential."""
        return {}

    async def models(self) -> list[ModelInfo]:
        raise NotImplementedError

    async def ready(self, model: str | None = None) -> ModelInfo:
        raise NotImplementedError

    def status(self) -> BackendStatus:
        """The model that the backend is set to, by the name that it was heard to have."""
        return BackendStatus(self.name, self.name_of(None))

    async def count_tokens(self, request: Mapping[str, Any], model: str | None = None) -> int:
        """The upstream's own count of what would be sent, else an estimate, which such counts and usage calibrate."""
        body = self._body({"messages": [], **request}, Caller(), model, self._profile(model))
        size = text_bytes(body, len(encode(body)))
        count = await self.counter.count(body) if self.counter and body["messages"] else None
        if count is None:
            return self._tokens.estimate(size)
        self._tokens.learn(size, count)
        return count

    async def aclose(self) -> None:
        await self._own_words.aclose()
        await self._upstream.aclose()

    def _profile(self, model: str | None) -> Profile:
        profile = changed(self.profile_of(model), self.name_of(model), self._changes)
        return self._lessons.applied(profile, model or self._model)

    def _body(self, request: Mapping[str, Any], caller: Caller, model: str | None, profile: Profile) -> dict[str, Any]:
        beside = {field: value for field, value in self.fields(caller).items() if field not in profile.refused}
        return convert_request(request, profile, model or self._model) | beside

    def _converted(
        self, request: Mapping[str, Any], caller: Caller, model: str | None, profile: Profile
    ) -> tuple[dict[str, Any], Prompt]:
        """The body, and what of it is encoded once, for those who compare it and for the wire."""
        body = self._body(request, caller, model, profile)
        return body, prompt_of(body)

    async def _accepted(
        self, stack: AsyncExitStack, request: Mapping[str, Any], caller: Caller, model: str | None
    ) -> _Accepted:
        lessons = 0
        while True:
            profile, before = self._profile(model), self._lessons.of(model or self._model)
            body, prompt = await aside(caller.size, self._converted, request, caller, model, profile)
            caller.journal.sent(body)
            if not lessons:
                name = self.name_of(body["model"])
                caller.journal.note("model", name=name, context_window=profile.context_window)
                await self._prefixes.look(request, body["model"], prompt, caller)
            try:
                return await self._attempt(stack, request, body, prompt.encoded(body), caller, profile)
            except (UpstreamRejected, UpstreamBroken) as error:
                await stack.aclose()
                lessons += 1
                if lessons > MOST or not self._lessons.learn(error, body, before, caller):
                    raise

    async def _attempt(
        self,
        stack: AsyncExitStack,
        request: Mapping[str, Any],
        body: Mapping[str, Any],
        encoded: bytes,
        caller: Caller,
        profile: Profile,
    ) -> _Accepted:
        details_for = body["model"] if self.profile.reasoning_details else None
        stops = request.get("stop_sequences") or ()
        ids = call_ids(request)
        reader = AnswerReader(ChunkReader(ids, stops, details_for), stages_of(request, caller, profile, ids))
        post = self._upstream.post("chat/completions", encoded, self.headers(caller), self._deadlines.first_event)
        answer = await stack.enter_async_context(post)
        caller.journal.mark("accepted")
        batches, begun = await self._open(answer, reader)
        size = text_bytes(body, len(encoded))
        if says_nothing(begun):
            self._check_fit(size, reader.usage, profile.context_window)
        return _Accepted(size, reader, batches)

    def _check_fit(self, size: int, usage: UsageReport | None, window: int | None) -> None:
        """LM Studio ends the answer to a prompt that does not fit at once, well and empty (bug-tracker#2339)."""
        tokens = usage.prompt_tokens if usage else self._tokens.estimate(size)
        if window is not None and tokens >= window:
            raise PromptTooLong(tokens, window)

    async def _open(self, answer: Answer, reader: AnswerReader) -> tuple[EventBatches, Sequence[ModelEvent]]:
        """The batches of an answer, and the first of them that says something. Raises the error of one that has none.

        An answer that is not a stream is read here as a whole.
        """
        if answer.is_stream:
            batches = Batches(answer.reads(), reader, self._deadlines, self._upstream.origin)
            begun = await batches.beginning()
            if error := failure_of(begun):
                raise error
            return batches, begun
        with mapped(self._upstream.origin):
            async with asyncio.timeout(self._deadlines.first_event):
                reader.take(decode_lenient(await answer.whole()))
        events = reader.staged(reader.end())
        if isinstance(events[-1], Failed):
            raise events[-1].error
        return _one(events), events


def _note_usage(caller: Caller, usage: UsageReport) -> None:
    caller.journal.note(
        "usage",
        prompt_tokens=usage.prompt_tokens,
        cached_tokens=usage.cached_tokens,
        output_tokens=usage.output_tokens,
        cost=usage.cost,
    )


async def _one(events: Sequence[ModelEvent]) -> EventBatches:
    yield events
