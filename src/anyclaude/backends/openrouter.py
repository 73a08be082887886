"""OpenRouter: hundreds of models behind one OpenAI-compatible address.

Each model gets a profile of its own from OpenRouter's list. What the user chose for OpenRouter itself (`models`,
`provider`, `reasoning`) is sent as it stands, and the session's id with it, so that a conversation stays with the
provider that holds its cache. Source: https://openrouter.ai/docs/api-reference
"""

from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from anyclaude.backends.base import Caller, ModelInfo
from anyclaude.backends.chat import ChatBackend
from anyclaude.backends.http import Upstream
from anyclaude.backends.model_list import ModelList, model_of, profile_of
from anyclaude.config.model import Deadlines
from anyclaude.config.upstreams import OpenRouter
from anyclaude.convert.profile import Profile
from anyclaude.errors import SetupError, UpstreamError, UpstreamRefusedUs

PROFILE: Final = Profile(
    top_k=True,
    none_tool_choice=True,
    reasoning_details=True,
    response_format_with_tools=True,
)
_KEYS_PAGE: Final = "https://openrouter.ai/keys"
_LONGEST_SESSION: Final = 256  # characters
_ASK: Final = 10.0  # seconds
_TITLE: Final = {"X-OpenRouter-Title": "anyclaude", "X-Title": "anyclaude"}  # how requests are named in its activity


class OpenRouterBackend(ChatBackend):
    """home: where the list of models is kept between launches. Raises SetupError without a key."""

    def __init__(self, settings: OpenRouter, model: str | None, deadlines: Deadlines, home: Path) -> None:
        if settings.api_key is None:
            raise SetupError(f"OpenRouter needs a key: get one at {_KEYS_PAGE} and set OPENROUTER_API_KEY")
        key = settings.api_key.get_secret_value()
        upstream = Upstream(settings.url, key, deadlines.connect, headers=_TITLE, through_proxies=True)
        super().__init__("openrouter", upstream, model or settings.model, PROFILE, deadlines)
        self._chosen = _chosen_fields(settings)
        self._list = ModelList(upstream, home, settings.model_list_hours)
        self._list.load()

    def profile_of(self, model: str | None) -> Profile:
        entry = self._list.entries.get(_listed(model or self._model))
        return profile_of(entry, self.profile) if entry else self.profile

    def fields(self, caller: Caller) -> dict[str, Any]:
        session = ":".join(part for part in (caller.session_id, caller.agent_id) if part)
        return self._chosen | ({"session_id": session[:_LONGEST_SESSION]} if session else {})

    async def models(self) -> list[ModelInfo]:
        """The chosen model first, then the others in OpenRouter's order. Raises UpstreamError."""
        await self._list.refresh()
        found = [model_of(entry) for entry in self._list.entries.values()]
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
        return model_of(entry)

    async def _check_key(self) -> None:
        """The list is public, so a wrong key shows only here. Without a network an old list still serves."""
        try:
            await self._upstream.get("key", _ASK)
        except UpstreamRefusedUs:
            raise
        except UpstreamError:
            return


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
