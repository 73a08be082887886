"""From the settings to the backends they name. Each is loaded when it is opened: most launches have one."""

from collections.abc import Callable, Mapping
from typing import Final

from anyclaude.backends.base import Backend
from anyclaude.backends.documents import Documents, ReadPdf
from anyclaude.backends.own_words import OwnWords
from anyclaude.backends.router import Router
from anyclaude.backends.search_engines import open_engines
from anyclaude.backends.web_search import WebSearch
from anyclaude.backends.words_file import WordsFile
from anyclaude.config.drained import Drained
from anyclaude.config.model import Mode, Settings
from anyclaude.config.routes import fallbacks, routes_of
from anyclaude.config.upstreams import Prompting
from anyclaude.errors import SetupError
from anyclaude.prompt.options import Options

_WITHOUT_DOCUMENTS: Final[tuple[Mode, ...]] = ("lmstudio", "mlx-cluster")
"""Backends whose models read no PDFs. OpenRouter reads them for every model."""


def open_router(settings: Settings, read_pdf: ReadPdf | None = None) -> Router:
    """The router over every backend that the settings lead to. Raises SetupError for one that cannot be opened.

    read_pdf: reads documents for models that cannot; None: they are told that there is one.
    """
    routes = routes_of(settings)
    behind = {target: fallbacks(settings, target) for target in routes.targets()}
    targets = [*behind, *(target for others in behind.values() for target in others)]
    modes = dict.fromkeys(target.backend for target in targets)
    backends: dict[Mode, Backend] = {mode: open_backend(mode, settings) for mode in modes}
    options: dict[Mode, Options] = {mode: options_of(mode, settings) for mode in modes if mode != "claude"}
    documents = dict.fromkeys(_WITHOUT_DOCUMENTS, Documents(read_pdf)) if read_pdf else None
    search, own_titles = WebSearch(open_engines(settings.web_search)), settings.titles == "words"
    return Router(backends, routes, behind, options, documents, search, own_titles=own_titles)


def open_backend(mode: Mode, settings: Settings) -> Backend:
    """One backend. Raises SetupError with the next step."""
    return _OPEN[mode](settings, settings.model if mode == settings.mode else None)


def options_of(mode: Mode, settings: Settings) -> Options:
    """The prompt chain of one backend."""
    chosen: Prompting = getattr(settings.backends, mode.replace("-", "_"))
    return Options(
        smart=chosen.smart_system_prompt,
        safe_filter=chosen.safe_system_filter,
        tier=chosen.filter_tier,
        truncate=chosen.truncate_system_prompt,
        max_system_tokens=chosen.system_prompt_max_tokens,
        slim_tools=chosen.slim_tools,
        stable=chosen.stable_prompt,
        allowed_tools=None if chosen.tool_allowlist is None else frozenset(chosen.tool_allowlist),
    )


def _lmstudio(settings: Settings, model: str | None) -> Backend:
    from anyclaude.backends.lmstudio import LMStudioBackend

    words = _own_words(settings)
    return LMStudioBackend(settings.backends.lmstudio, model, settings.deadlines, settings.profiles, words)


def _mlx_cluster(settings: Settings, model: str | None) -> Backend:
    from anyclaude.backends.mlx_cluster import MlxClusterBackend

    drained = Drained(settings.home).addresses
    chosen, words = settings.backends.mlx_cluster, _own_words(settings)
    return MlxClusterBackend(chosen, model, settings.deadlines, settings.profiles, drained, words)


def _openrouter(settings: Settings, model: str | None) -> Backend:
    from anyclaude.backends.openrouter import OpenRouterBackend

    chosen = settings.backends.openrouter
    words = _own_words(settings)
    return OpenRouterBackend(chosen, model, settings.deadlines, settings.home, settings.profiles, words)


def _claude(settings: Settings, model: str | None) -> Backend:
    """Beside another main model, Claude Code is started without a login of its own, so there must be a key."""
    from anyclaude.backends.claude import ClaudeBackend

    if settings.mode != "claude" and settings.backends.claude.api_key is None:
        raise SetupError("a route leads to Claude, which needs a key: set ANTHROPIC_API_KEY or backends.claude.apiKey")
    return ClaudeBackend(settings.backends.claude, settings.deadlines)


def _own_words(settings: Settings) -> OwnWords:
    return OwnWords(file=WordsFile(settings.home) if settings.keep_own_words else None)


_OPEN: Final[Mapping[Mode, Callable[[Settings, str | None], Backend]]] = {
    "lmstudio": _lmstudio,
    "mlx-cluster": _mlx_cluster,
    "openrouter": _openrouter,
    "claude": _claude,
}
