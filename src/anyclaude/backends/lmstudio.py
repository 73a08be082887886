"""LM Studio, and other single local servers in its place, llama.cpp's own among them.

What is loaded is asked of LM Studio's native API (`/api/v0/models`, since 0.3.6), else of llama.cpp (`/props`), else of
the plain `/v1/models`. `current-model` is whatever is loaded when a request comes: it is asked again after ten seconds,
so that a model which is changed in LM Studio is met with its own abilities. `cache_prompt` lets llama.cpp keep the
prompt of the last turn.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from anyclaude.backends.base import Caller, EventBatches, ModelInfo
from anyclaude.backends.chat import ChatBackend
from anyclaude.backends.http import Upstream
from anyclaude.config.model import Deadlines
from anyclaude.config.upstreams import LMStudio
from anyclaude.convert.profile import Profile
from anyclaude.errors import AnyclaudeError, SetupError, UpstreamError, UpstreamUnreachable

CURRENT_MODEL: Final = "current-model"
OWN_PORT: Final = 1234
"""The port that LM Studio itself chooses."""

_ASK: Final = 5.0  # seconds for a question to a local server
_ASK_AGAIN: Final = 1.0  # seconds for the same question while a request waits
_FRESH: Final = 10.0  # seconds for which what is loaded need not be asked again

PROFILE: Final = Profile(
    top_k=True,
    named_tool_choice=False,  # LM Studio: 400 "Invalid tool_choice type: 'object'", still so in 2026-07
    short_call_ids=True,
    thinking_field="reasoning_content",
    constants={"cache_prompt": True},
)


class LMStudioBackend(ChatBackend):
    """The model that is loaded, whatever its name."""

    def __init__(self, settings: LMStudio, model: str | None, deadlines: Deadlines) -> None:
        self._settings = settings
        upstream = Upstream(settings.url, settings.api_key.get_secret_value(), deadlines.connect)
        super().__init__("lmstudio", upstream, model or settings.model, PROFILE, deadlines)
        self._loaded: ModelInfo | None = None
        self._asked = 0.0  # the loop's time
        self._native = False

    @asynccontextmanager
    async def stream(
        self, request: Mapping[str, Any], caller: Caller, model: str | None = None
    ) -> AsyncIterator[EventBatches]:
        """As `Backend.stream`, with the abilities of what is loaded now."""
        if (model or self._model) == CURRENT_MODEL:
            await self._follow(caller)
            model = self._loaded.id if self._loaded and self._native else None
        async with super().stream(request, caller, model) as batches:
            yield batches

    async def _follow(self, caller: Caller) -> None:
        """Learn what is loaded, if that was not asked just now. A server that does not say keeps what was known."""
        now = asyncio.get_running_loop().time()
        if self._loaded is None or now - self._asked < _FRESH:
            return
        self._asked = now
        before = self._loaded
        try:
            async with asyncio.timeout(_ASK_AGAIN):
                self._know(await self._chosen(CURRENT_MODEL))
        except (TimeoutError, AnyclaudeError):
            return  # the request itself will tell
        if (before.id, before.context_window) != (self._loaded.id, self._loaded.context_window):
            caller.journal.note("warning", said=f"now loaded: {self._loaded.id}, window {self._loaded.context_window}")

    def _know(self, loaded: ModelInfo) -> None:
        self._loaded = loaded
        self.profile = replace(PROFILE, images=loaded.images is not False, context_window=loaded.context_window)

    async def models(self) -> list[ModelInfo]:
        """The loaded models first, then what else the server offers."""
        for ask in (self._native_models, self._llamacpp_model):
            try:
                found = await ask()
            except UpstreamUnreachable:
                raise
            except UpstreamError:
                continue  # another kind of server
            if found:
                return found
        return await self._plain_models()

    async def ready(self, model: str | None = None) -> ModelInfo:
        """The model that will answer. Raises SetupError with the next step."""
        chosen = await self._chosen(model or self._model)
        self._asked = asyncio.get_running_loop().time()
        self._know(chosen)
        return chosen

    async def _chosen(self, wanted: str) -> ModelInfo:
        try:
            found = await self.models()
        except UpstreamUnreachable as error:
            raise SetupError(await self._nothing_there()) from error
        except UpstreamError as error:
            raise SetupError(f"{self._upstream.origin} does not answer like LM Studio: {error.message}") from error
        if not found:
            raise self._nothing_loaded()
        if wanted == CURRENT_MODEL:
            return found[0]
        chosen = next((model for model in found if model.id == wanted), None)
        if chosen is None:
            names = ", ".join(model.id for model in found[:8])
            raise SetupError(f"{self._upstream.origin} has no model {wanted!r}; it has: {names}")
        return chosen

    async def _native_models(self) -> list[ModelInfo]:
        reply = await self._upstream.get(self._beside("/api/v0/models"), _ASK)
        entries = [entry for entry in _entries(reply) if entry.get("type") in ("llm", "vlm")]
        entries.sort(key=lambda entry: entry.get("state") != "loaded")
        if entries and entries[0].get("state") != "loaded" and self._model == CURRENT_MODEL:
            raise self._nothing_loaded()
        self._native = bool(entries)
        return [_native_model(entry) for entry in entries]

    async def _llamacpp_model(self) -> list[ModelInfo]:
        props = await self._upstream.get(self._beside("/props"), _ASK)
        plain = await self._plain_models()
        settings = props.get("default_generation_settings") if isinstance(props, dict) else None
        window = settings.get("n_ctx") if isinstance(settings, dict) else None
        tools, images = _flag(props, "chat_template_caps", "supports_tools"), _flag(props, "modalities", "vision")
        return [ModelInfo(model.id, _positive(window), tools, images) for model in plain]

    async def _plain_models(self) -> list[ModelInfo]:
        reply = await self._upstream.get("models", _ASK)
        return [ModelInfo(entry["id"], _positive(entry.get("context_length"))) for entry in _entries(reply)]

    async def _nothing_there(self) -> str:
        """The sentence for a server that is not there, with the better address where one answers."""
        if urlsplit(self._settings.url).port != OWN_PORT:
            other = self._beside("/v1", OWN_PORT)
            try:
                await self._upstream.get(f"{other}/models", _ASK)
            except AnyclaudeError:
                pass
            else:
                return (
                    f"nothing answers at {self._settings.url}, but a server does at {other}; set LMSTUDIO_URL={other}"
                )
        return (
            f"nothing answers at {self._settings.url}; start the server in LM Studio "
            "(Developer tab, or `lms server start`), or set LMSTUDIO_URL to where it listens"
        )

    def _nothing_loaded(self) -> SetupError:
        return SetupError(f"LM Studio at {self._upstream.origin} has no model loaded; load one there, then start again")

    def _beside(self, path: str, port: int | None = None) -> str:
        """Another path on the same host."""
        parts = urlsplit(self._settings.url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        netloc = f"{host}:{port}" if port else parts.netloc
        return urlunsplit((parts.scheme, netloc, path, "", ""))


def _entries(reply: Any) -> list[dict[str, Any]]:
    entries = reply.get("data") if isinstance(reply, dict) else None
    if not isinstance(entries, list):
        return []
    return [entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("id"), str)]


def _native_model(entry: dict[str, Any]) -> ModelInfo:
    """The window is the one that it was loaded with. One not trained for tools is still given them, as text."""
    window = _positive(entry.get("loaded_context_length")) or _positive(entry.get("max_context_length"))
    capabilities = entry.get("capabilities")
    tools = True if isinstance(capabilities, list) and "tool_use" in capabilities else None
    return ModelInfo(entry["id"], window, tools, entry["type"] == "vlm")


def _flag(reply: Any, group: str, name: str) -> bool | None:
    members = reply.get(group) if isinstance(reply, dict) else None
    value = members.get(name) if isinstance(members, dict) else None
    return value if isinstance(value, bool) else None


def _positive(value: object) -> int | None:
    return value if isinstance(value, int) and value > 0 else None
