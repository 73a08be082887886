"""LM Studio, and other single local servers in its place, llama.cpp's own among them.

What is loaded is asked of LM Studio's native API (`/api/v1/models`, since 0.4.0, which tells the context length of
every loaded instance; `/api/v0/models`, since 0.3.6), else of llama.cpp (`/props`), else of the plain `/v1/models`. A
server that does not know one of these answers 404, or 200 with some other JSON (LM Studio).

`current-model` is whatever is loaded when a request comes: it is asked again after ten seconds, so that a model which
is changed in LM Studio is met with its own abilities. `cache_prompt` lets llama.cpp keep the prompt of the last turn.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from anyclaude.backends.base import Caller, EventBatches, ModelInfo
from anyclaude.backends.chat import CURRENT_MODEL, ChatBackend
from anyclaude.backends.http import Upstream
from anyclaude.backends.own_words import OwnWords
from anyclaude.backends.tokens import Counter
from anyclaude.config.model import Deadlines
from anyclaude.config.profiles import NO_CHANGES, Changes
from anyclaude.config.upstreams import LMStudio
from anyclaude.convert.profile import Profile
from anyclaude.errors import AnyclaudeError, SetupError, UpstreamError, UpstreamUnreachable

OWN_PORT: Final = 1234
"""The port that LM Studio itself chooses."""

_ASK: Final = 5.0  # seconds for a question to a local server
_ASK_AGAIN: Final = 1.0  # seconds for the same question while a request waits
_FRESH: Final = 10.0  # seconds for which what is loaded need not be asked again

_NOT_LOADED: Final = (
    "it is not loaded yet: LM Studio will load it with the context length that is set for it there, often 4,096"
)

log = logging.getLogger(__name__)

PROFILE: Final = Profile(
    top_k=True,
    named_tool_choice=False,  # LM Studio: 400 "Invalid tool_choice type: 'object'", still so in 2026-07
    short_call_ids=True,
    thinking_field="reasoning_content",
    constants={"cache_prompt": True},
)


class LMStudioBackend(ChatBackend):
    """The model that is loaded, whatever its name."""

    def __init__(
        self,
        settings: LMStudio,
        model: str | None,
        deadlines: Deadlines,
        changes: Changes = NO_CHANGES,
        own_words: OwnWords | None = None,
    ) -> None:
        self._settings = settings
        upstream = Upstream(settings.url, settings.api_key.get_secret_value(), deadlines.connect)
        super().__init__("lmstudio", upstream, model or settings.model, PROFILE, deadlines, changes, own_words)
        count_at = f"{settings.url}/chat/completions/input_tokens"  # llama.cpp; LM Studio has none
        self.counter = Counter(upstream, count_at, "input_tokens", lambda body: body)
        self._asked = 0.0  # the loop's time
        self._native = False
        self._window: int | None = None  # that Claude Code was started for

    @asynccontextmanager
    async def stream(
        self, request: Mapping[str, Any], caller: Caller, model: str | None = None
    ) -> AsyncIterator[EventBatches]:
        """As `Backend.stream`, with the abilities of what is loaded now."""
        if (model or self._model) == CURRENT_MODEL:
            await self._follow(caller)
            model = self.name_of(model) if self._native else None
        async with super().stream(request, caller, model) as batches:
            yield batches

    async def _follow(self, caller: Caller) -> None:
        """Learn what is loaded, if that was not asked just now. A server that does not say keeps what was known."""
        now = asyncio.get_running_loop().time()
        if not self._said or now - self._asked < _FRESH:
            return
        self._asked = now
        before = self.described(next(iter(self._said.values())))
        try:
            async with asyncio.timeout(_ASK_AGAIN):
                loaded = await self._chosen(CURRENT_MODEL)
        except (TimeoutError, AnyclaudeError):
            return  # the request itself will tell
        if (before.id, before.context_window) != (loaded.id, loaded.context_window):
            _warn_of(loaded, self._window, caller)

    async def models(self) -> list[ModelInfo]:
        """The loaded models first, then what else the server offers."""
        for ask in (self._native_models, self._older_native_models, self._llamacpp_model):
            try:
                found = await ask()
            except UpstreamUnreachable:
                raise
            except UpstreamError:
                continue  # another kind of server
            if found:
                return self.heard(found)
        return self.heard(await self._plain_models())

    async def ready(self, model: str | None = None) -> ModelInfo:
        """The model that will answer. Raises SetupError with the next step."""
        chosen = await self._chosen(model or self._model)
        self._asked = asyncio.get_running_loop().time()
        self._window = chosen.context_window
        return chosen

    async def _chosen(self, wanted: str) -> ModelInfo:
        try:
            found = await self.models()
        except UpstreamUnreachable as error:
            raise SetupError(await self._nothing_there()) from error
        except UpstreamError as error:
            raise SetupError(
                f"{self._upstream.origin} does not answer like LM Studio: {error.message.partition('; ')[0]}; "
                "start its server and load a model, or set LMSTUDIO_URL to where it listens"
            ) from error
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
        reply = await self._upstream.get(self._beside("/api/v1/models"), _ASK)
        entries = [entry for entry in _entries(reply, "models", "key") if entry.get("type") == "llm"]
        loaded = [_instance(entry, one) for entry in entries for one in _entries(entry, "loaded_instances")]
        rest = [_instance(entry, {}) for entry in entries if not _entries(entry, "loaded_instances")]
        return self._natively(loaded, rest)

    async def _older_native_models(self) -> list[ModelInfo]:
        reply = await self._upstream.get(self._beside("/api/v0/models"), _ASK)
        entries = [entry for entry in _entries(reply) if entry.get("type") in ("llm", "vlm")]
        loaded = [_older_model(entry) for entry in entries if entry.get("state") == "loaded"]
        return self._natively(loaded, [_older_model(entry) for entry in entries if entry.get("state") != "loaded"])

    def _natively(self, loaded: list[ModelInfo], rest: list[ModelInfo]) -> list[ModelInfo]:
        """What LM Studio itself lists. Raises SetupError when the model has to be loaded first, and is not."""
        if rest and not loaded and self._model == CURRENT_MODEL:
            raise self._nothing_loaded()
        self._native = bool(loaded or rest)
        return loaded + rest

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


def _entries(reply: Any, name: str = "data", key: str = "id") -> list[dict[str, Any]]:
    entries = reply.get(name) if isinstance(reply, dict) else None
    if not isinstance(entries, list):
        return []
    return [entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get(key), str) and entry[key]]


def _instance(entry: dict[str, Any], instance: dict[str, Any]) -> ModelInfo:
    """A model of `/api/v1/models`, as loaded. One that was not trained for tools is still given them, as text."""
    config = instance.get("config")
    loaded = _positive(config.get("context_length")) if isinstance(config, dict) else None
    tools = _flag(entry, "capabilities", "trained_for_tool_use") or None
    return ModelInfo(
        instance.get("id", entry["key"]),
        loaded or _positive(entry.get("max_context_length")),
        tools,
        _flag(entry, "capabilities", "vision"),
        None if instance else _NOT_LOADED,
    )


def _older_model(entry: dict[str, Any]) -> ModelInfo:
    """A model of `/api/v0/models`. The window is the one that it was loaded with."""
    window = _positive(entry.get("loaded_context_length")) or _positive(entry.get("max_context_length"))
    capabilities = entry.get("capabilities")
    tools = True if isinstance(capabilities, list) and "tool_use" in capabilities else None
    note = None if entry.get("state") == "loaded" else _NOT_LOADED
    return ModelInfo(entry["id"], window, tools, entry["type"] == "vlm", note)


def _warn_of(loaded: ModelInfo, started_for: int | None, caller: Caller) -> None:
    """Say what is loaded now, and when Claude Code counts on more room than that has."""
    said = f"now loaded: {loaded.id}, window {loaded.context_window}"
    if started_for and loaded.context_window and loaded.context_window < started_for:
        said += f"; Claude Code was started for {started_for}, so load it with more context or start again"
    log.warning("%s", said)
    caller.journal.note("warning", said=said)


def _flag(reply: Any, group: str, name: str) -> bool | None:
    members = reply.get(group) if isinstance(reply, dict) else None
    value = members.get(name) if isinstance(members, dict) else None
    return value if isinstance(value, bool) else None


def _positive(value: object) -> int | None:
    return value if isinstance(value, int) and value > 0 else None
