"""Checks of the backends: reached, authenticated, the model there, window and tools enough for Claude Code."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Final

from anyclaude.backends.base import Backend, ModelInfo
from anyclaude.config.model import Mode, Settings
from anyclaude.config.routes import Target, fallbacks, routes_of
from anyclaude.diagnosis.findings import Finding, of_error, softened
from anyclaude.errors import AnyclaudeError, SetupError, UpstreamRefusedUs
from anyclaude.launch.fit import fit

Opening = Callable[[Mode, Settings], Backend]

DEADLINE: Final = 30.0
"""Seconds for one backend to say what it has."""

_STEPS: Final = {
    "lmstudio": "start its server and load a model, or set LMSTUDIO_URL to where it listens",
    "openrouter": "check OPENROUTER_API_KEY and the model's name at https://openrouter.ai/models",
    "mlx-cluster": "start the worker of that node, or correct MLX_CLUSTER_NODES",
    "claude": "run `claude` once by itself and log in there",
}
_KEYS: Final = {
    "lmstudio": "set LMSTUDIO_API_KEY to the key that the server asks for",
    "openrouter": "set OPENROUTER_API_KEY to a valid key from https://openrouter.ai/keys",
    "mlx-cluster": "give that node its `token` in MLX_CLUSTER_NODES",
    "claude": "run `claude` once by itself and log in there",
}


def targets(settings: Settings) -> tuple[list[Target], list[Target]]:
    """What launches ask, the main one first, and what is configured besides. Raises SetupError for a false route."""
    asked = list(routes_of(settings).targets())
    asked = list(dict.fromkeys([*asked, *(other for each in asked for other in fallbacks(settings, each))]))
    used = {target.backend for target in asked}
    return asked, [Target(mode) for mode in _configured(settings) if mode not in used]


def _configured(settings: Settings) -> Iterator[Mode]:
    """Backends that somebody gave something that only they need."""
    openrouter, cluster = settings.backends.openrouter, settings.backends.mlx_cluster
    if openrouter.enabled and openrouter.api_key is not None:
        yield "openrouter"
    if cluster.enabled and cluster.nodes:
        yield "mlx-cluster"


async def every_backend(settings: Settings, opening: Opening, deadline: float = DEADLINE) -> list[Finding]:
    """All of them at once. deadline: seconds for each."""
    try:
        asked, besides = targets(settings)
    except SetupError as error:
        return [of_error("routes", error, "correct `models` and `fallback` in the settings")]
    found = await asyncio.gather(*(_one(target, settings, opening, deadline) for target in (*asked, *besides)))
    needed = [finding for findings in found[: len(asked)] for finding in findings]
    return needed + [finding for findings in found[len(asked) :] for finding in softened(findings)]


async def _one(target: Target, settings: Settings, opening: Opening, deadline: float) -> list[Finding]:
    area, step = str(target), _STEPS[target.backend]
    if target.backend == "mlx-cluster" and settings.backends.mlx_cluster.is_empty:
        return [Finding(area, "ok", "no node is configured, so every launch starts a worker of its own")]
    try:
        async with asyncio.timeout(deadline):
            model = await _asked(target, settings, opening)
    except TimeoutError:
        return [Finding(area, "failure", f"no answer within {deadline:.0f} seconds", step)]
    except AnyclaudeError as error:
        refused = isinstance(error.__cause__ or error, UpstreamRefusedUs)
        return [
            Finding(area, "failure", error.message, _KEYS[target.backend]) if refused else of_error(area, error, step)
        ]
    except Exception as error:  # what a backend does wrong is a finding too, and must not cost all the others
        said = f"asking it failed with a fault of ours, {type(error).__name__}"
        return [Finding(area, "failure", said, "please report it")]
    price = f" ({model.price})" if model.price else ""
    return [Finding(area, "ok", f"answers with {model.id}{price}"), *_fitness(target, model, settings)]


async def _asked(target: Target, settings: Settings, opening: Opening) -> ModelInfo:
    backend = opening(target.backend, settings)
    try:
        return await backend.ready(target.model)
    finally:
        await backend.aclose()


def _fitness(target: Target, model: ModelInfo, settings: Settings) -> list[Finding]:
    """Window and tools. Claude's own models are what Claude Code was made for."""
    found = [Finding(str(target), "warning", model.note)] if model.note else []
    if target.backend == "claude":
        return found
    return [*found, _window(str(target), model, settings), _tools(str(target), model)]


def _window(area: str, model: ModelInfo, settings: Settings) -> Finding:
    window = model.context_window
    if window is None:
        return Finding(area, "ok", "it does not say its window; Claude Code is told when a prompt is too long")
    try:
        launch = fit((), window, model.tools)
    except SetupError as error:
        return of_error(area, error, "load the model with more context")
    if launch.note and model.tools is not False:
        step = "load the model with more context (64,000 tokens are comfortable)"
        return Finding(
            area, "warning", f"a window of {window} tokens is too small for all of Claude Code's tools", step
        )
    return Finding(area, "ok", f"a window of {window} tokens is enough")


def _tools(area: str, model: ModelInfo) -> Finding:
    if model.tools is False:
        said = "this model takes no tools, so Claude Code can talk but not act"
        return Finding(area, "warning", said, "load a model that was trained for tool use")
    if model.tools is None:
        said = "it does not say whether the model takes tools"
        return Finding(area, "ok", said, "`anyclaude --test-model` finds out")
    return Finding(area, "ok", "the model takes tools")
