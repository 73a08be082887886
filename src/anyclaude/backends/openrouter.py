"""OpenRouter: hundreds of models behind one OpenAI-compatible address.

Each model gets a profile of its own from OpenRouter's list. What the user chose for OpenRouter itself (`models`,
`provider`, `reasoning`) is sent as it stands, and the session's id with it, so that a conversation stays with the
provider that holds its cache. Source: https://openrouter.ai/docs/api-reference
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from anyclaude.backends.base import Caller, EventBatches, ModelInfo
from anyclaude.backends.chat import ChatBackend
from anyclaude.backends.http import Upstream
from anyclaude.backends.model_list import ModelList, model_of, names_of, profile_of
from anyclaude.backends.own_words import OwnWords
from anyclaude.backends.web_search import search_id
from anyclaude.config.model import Deadlines
from anyclaude.config.profiles import NO_CHANGES, Changes, known
from anyclaude.config.upstreams import OpenRouter
from anyclaude.convert.citations import CitedSearch, search_tool
from anyclaude.convert.profile import Profile
from anyclaude.convert.web_search import query_of
from anyclaude.errors import SetupError, UpstreamError, UpstreamRefusedUs

# `none_tool_choice`: OpenRouter asks only providers that take the value, and answers 404 when there are none ("No
# endpoints found that support the provided 'tool_choice' value"), from which we learn to send no tools. They stay
# declared with `none` because some providers (Bedrock) refuse past calls of tools that are not. Where the list says
# that a model does not take `tool_choice`, nobody would enforce it, so there the tools are left out.
PROFILE: Final = Profile(
    documents=True,  # https://openrouter.ai/docs/features/multimodal/pdfs: for any model
    top_k=True,
    none_tool_choice=True,
    reasoning_details=True,
    response_format_with_tools=True,
)
_KEYS_PAGE: Final = "https://openrouter.ai/keys"
_LONGEST_SESSION: Final = 256  # characters
_ASK: Final = 10.0  # seconds


class OpenRouterBackend(ChatBackend):
    """home: where the list of models is kept between launches. Raises SetupError without a key."""

    def __init__(
        self,
        settings: OpenRouter,
        model: str | None,
        deadlines: Deadlines,
        home: Path,
        changes: Changes = NO_CHANGES,
        own_words: OwnWords | None = None,
    ) -> None:
        if settings.api_key is None:
            raise SetupError(f"OpenRouter needs a key: get one at {_KEYS_PAGE} and set OPENROUTER_API_KEY")
        key = settings.api_key.get_secret_value()
        upstream = Upstream(settings.url, key, deadlines.connect, headers=_attribution(settings), through_proxies=True)
        super().__init__("openrouter", upstream, model or settings.model, PROFILE, deadlines, changes, own_words)
        self._chosen = _chosen_fields(settings)
        self._has_stand_ins = bool(settings.models)
        self._list = ModelList(upstream, home, settings.model_list_hours)
        self._list.load()

    @asynccontextmanager
    async def stream(
        self, request: Mapping[str, Any], caller: Caller, model: str | None = None
    ) -> AsyncIterator[EventBatches]:
        """As `Backend.stream`; pages that OpenRouter's own web search found are told as results of Claude Code's."""
        query = query_of(request)
        async with super().stream(request, caller, model) as batches:
            yield batches if query is None else _searched(batches, CitedSearch(search_id(), query))

    def profile_of(self, model: str | None) -> Profile:
        name = model or self._model
        entry = self._list.entries.get(name) or self._list.entries.get(_listed(name))
        family = known(self.profile, name)
        profile = profile_of(entry, family) if entry else family
        return replace(profile, answers_as=names_of(name, entry)) if self._has_stand_ins else profile

    def fields(self, caller: Caller) -> dict[str, Any]:
        session = ":".join(part for part in (caller.session_id, caller.agent_id) if part)
        return self._chosen | ({"session_id": session[:_LONGEST_SESSION]} if session else {})

    def _body(self, request: Mapping[str, Any], caller: Caller, model: str | None, profile: Profile) -> dict[str, Any]:
        body = super()._body(request, caller, model, profile)
        query = query_of(request)
        return body if query is None else {**body, "tools": [search_tool(query)]}

    async def models(self) -> list[ModelInfo]:
        """The chosen model first, then the others in OpenRouter's order. Raises UpstreamError."""
        await self._list.refresh()
        found = [self.described(model_of(entry)) for entry in self._list.entries.values()]
        return sorted(found, key=lambda model: model.id != _listed(self._model))

    async def ready(self, model: str | None = None) -> ModelInfo:
        """The model that will answer. Raises SetupError with the next step."""
        wanted = model or self._model
        try:
            await self._check_key()
            await self._list.refresh()
        except UpstreamRefusedUs as error:
            raise SetupError(
                f"OpenRouter does not accept the key in OPENROUTER_API_KEY; get one at {_KEYS_PAGE}"
            ) from error
        except UpstreamError as error:
            raise SetupError(f"OpenRouter at {self._upstream.origin} cannot be used: {error.message}") from error
        return self._info(wanted)

    def _info(self, wanted: str) -> ModelInfo:
        entry = self._list.entries.get(wanted) or self._list.entries.get(_listed(wanted))
        if entry is None:
            raise SetupError(f"OpenRouter has no model {wanted!r}; {_advice(wanted, list(self._list.entries))}")
        return self.described(model_of(entry))

    async def _check_key(self) -> None:
        """The list is public, so a wrong key shows only here. Without a network an old list still serves."""
        try:
            await self._upstream.get("key", _ASK)
        except UpstreamRefusedUs:
            raise
        except UpstreamError:
            return


async def _searched(batches: EventBatches, search: CitedSearch) -> EventBatches:
    async for batch in batches:
        yield search.feed(batch)


def _attribution(settings: OpenRouter) -> dict[str, str]:
    """How OpenRouter names the app. Without an address requests work, but belong to no app in its activity and ranks.

    Source: https://openrouter.ai/docs/app-attribution
    """
    app = {"HTTP-Referer": settings.referer, "X-OpenRouter-Title": settings.title, "X-Title": settings.title}
    return {name: value for name, value in app.items() if value}


def _chosen_fields(settings: OpenRouter) -> dict[str, Any]:
    chosen = {"models": list(settings.models), "provider": settings.provider, "reasoning": settings.reasoning}
    return {name: value for name, value in chosen.items() if value}


def _listed(model: str) -> str:
    """The name in the list: some variants (`:nitro`, `:online`) only choose among the providers of one model."""
    name, _, variant = model.partition(":")
    return name if variant in ("nitro", "floor", "online", "exacto") else model


def _advice(wanted: str, names: list[str]) -> str:
    close = get_close_matches(wanted, names, n=5, cutoff=0.4) or [name for name in names if wanted in name][:5]
    return f"did you mean {', '.join(close)}?" if close else "see https://openrouter.ai/models"
