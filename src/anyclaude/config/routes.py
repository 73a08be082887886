"""Which model of which backend answers a request: `model` or `backend:model`, for the whole and for tiers and roles."""

from collections.abc import Iterator
from dataclasses import dataclass

from anyclaude.config.model import MODES, Mode, Settings
from anyclaude.config.upstreams import Claude, LMStudio, MlxCluster, OpenRouter
from anyclaude.errors import SetupError


@dataclass(frozen=True, slots=True)
class Target:
    """model: None for the one that the backend is set to, or, for Claude, the one that the request names."""

    backend: Mode
    model: str | None = None

    def __str__(self) -> str:
        return f"{self.backend}:{self.model}" if self.model else self.backend


def parse_target(text: str, default: Mode) -> Target:
    """`backend:model`, or a model of the default backend. Models have colons of their own (`qwen3:8b`)."""
    for mode in MODES:
        if text == mode:
            return Target(mode)
        if text.startswith(f"{mode}:"):
            return Target(mode, text[len(mode) + 1 :] or None)
    return Target(default, text)


@dataclass(frozen=True, slots=True)
class Routes:
    """Where requests go. Tiers and roles that are None go to `main`.

    vision: who describes images to models that take none; None: nobody does.
    """

    main: Target
    opus: Target | None = None
    sonnet: Target | None = None
    haiku: Target | None = None
    subagent: Target | None = None
    background: Target | None = None
    classifier: Target | None = None
    vision: Target | None = None

    def targets(self) -> Iterator[Target]:
        """All that are set, without repeats, the main one first."""
        every = (
            self.main,
            self.opus,
            self.sonnet,
            self.haiku,
            self.subagent,
            self.background,
            self.classifier,
            self.vision,
        )
        yield from dict.fromkeys(target for target in every if target is not None)


def routes_of(settings: Settings) -> Routes:
    """The routes that the settings ask for. Raises SetupError for one to a backend that is switched off."""
    chosen = {
        name: parse_target(text, settings.mode)
        for name, text in settings.models.model_dump().items()
        if text is not None
    }
    routes = Routes(Target(settings.mode, settings.model), **chosen)
    for target in [*chosen.values(), *(target for each in routes.targets() for target in fallbacks(settings, each))]:
        if target.backend != settings.mode and not _settings_of(settings, target).enabled:
            raise SetupError(f"a route leads to {target}, but the backend {target.backend} has enabled: false")
    return routes


def fallbacks(settings: Settings, target: Target) -> list[Target]:
    """What to ask in turn when that target does not answer."""
    return [parse_target(text, target.backend) for text in _settings_of(settings, target).fallback]


def _settings_of(settings: Settings, target: Target) -> LMStudio | OpenRouter | Claude | MlxCluster:
    backends = settings.backends
    match target.backend:
        case "lmstudio":
            return backends.lmstudio
        case "openrouter":
            return backends.openrouter
        case "claude":
            return backends.claude
        case "mlx-cluster":
            return backends.mlx_cluster
