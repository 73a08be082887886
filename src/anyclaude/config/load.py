"""From flags and environment to one frozen `Settings`, every value with its origin.

Layers are lists of `Item`s in rising order of precedence (defaults < files < environment < flags); a later item
replaces an earlier one of the same path. They are merged into one tree, which the model validates once. Profiles of
models are merged field by field: a file adds to what a lower layer says of the same model.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter, ValidationError

from anyclaude.config.choices import choices
from anyclaude.config.cluster_file import cluster_items, items_of, own_cluster_file, project_cluster_file
from anyclaude.config.complaints import A_LIST_OF_NODES, complaint
from anyclaude.config.files import Found, project_file, user_file
from anyclaude.config.files import items as file_items
from anyclaude.config.items import FieldPath, Item
from anyclaude.config.model import Settings
from anyclaude.config.saved_profiles import by_field, mended_by_hand, origin_of, saved_items
from anyclaude.config.trust import believed
from anyclaude.errors import SetupError

_PROMPTED: Final = ("lmstudio", "openrouter", "mlx_cluster")
"""Backends with a prompt chain: one variable sets it for all of them."""

_NODES: Final = ("backends", "mlx_cluster", "discovery", "nodes")

_STABLE_PROMPT: Final = tuple(("backends", name, "stable_prompt") for name in _PROMPTED)

VARIABLES: Final[Mapping[str, tuple[FieldPath, ...]]] = {
    "ANYCLAUDE_MODE": (("mode",),),
    "ANYCLAUDE_PORT": (("port",),),
    "ANYCLAUDE_AUTH_TOKEN": (("auth_token",),),
    "ANYCLAUDE_DEBUG": (("debug",),),
    "ANYCLAUDE_SKIP_SETUP_CHECK": (("skip_setup_check",),),
    "ANYCLAUDE_TITLES": (("titles",),),
    "ANYCLAUDE_KEEP_OWN_WORDS": (("keep_own_words",),),
    "ANYCLAUDE_STATUS_LINE": (("status_line",),),
    "ANYCLAUDE_UI": (("ui",),),
    "PROXY_ONLY": (("proxy_only",),),
    "LMSTUDIO_URL": (("backends", "lmstudio", "url"),),
    "LMSTUDIO_MODEL": (("backends", "lmstudio", "model"),),
    "LMSTUDIO_API_KEY": (("backends", "lmstudio", "api_key"),),
    "OPENROUTER_BASE_URL": (("backends", "openrouter", "url"),),
    "OPENROUTER_MODEL": (("backends", "openrouter", "model"),),
    "OPENROUTER_API_KEY": (("backends", "openrouter", "api_key"),),
    "OPENROUTER_REFERER": (("backends", "openrouter", "referer"),),
    "OPENROUTER_TITLE": (("backends", "openrouter", "title"),),
    "ANTHROPIC_BASE_URL": (("backends", "claude", "url"),),
    "ANTHROPIC_API_KEY": (("backends", "claude", "api_key"),),
    "MLX_CLUSTER_ENABLED": (("backends", "mlx_cluster", "enabled"),),
    "MLX_CLUSTER_DISCOVERY": (("backends", "mlx_cluster", "discovery", "found_by"),),
    "MLX_CLUSTER_NODES": (_NODES,),
    "MLX_CLUSTER_KEY": (("backends", "mlx_cluster", "discovery", "key"),),
    "MLX_CLUSTER_STRATEGY": (("backends", "mlx_cluster", "routing", "strategy"),),
    "MLX_CLUSTER_HEALTH_INTERVAL": (("backends", "mlx_cluster", "health", "check_interval_ms"),),
    "SEARXNG_URL": (("web_search", "searxng"),),
    "TAVILY_API_KEY": (("web_search", "tavily_key"),),
    "BRAVE_API_KEY": (("web_search", "brave_key"),),
    "ANYCLAUDE_SMART_PROMPT": tuple(("backends", name, "smart_system_prompt") for name in _PROMPTED),
    "ANYCLAUDE_SAFE_FILTER": tuple(("backends", name, "safe_system_filter") for name in _PROMPTED),
    "ANYCLAUDE_FILTER_TIER": tuple(("backends", name, "filter_tier") for name in _PROMPTED),
    "ANYCLAUDE_TRUNCATE_PROMPT": tuple(("backends", name, "truncate_system_prompt") for name in _PROMPTED),
    "ANYCLAUDE_STABLE_PROMPT": _STABLE_PROMPT,
    "ANYCLAUDE_OPUS_MODEL": (("models", "opus"),),
    "ANYCLAUDE_SONNET_MODEL": (("models", "sonnet"),),
    "ANYCLAUDE_HAIKU_MODEL": (("models", "haiku"),),
    "ANYCLAUDE_SUBAGENT_MODEL": (("models", "subagent"),),
    "ANYCLAUDE_BACKGROUND_MODEL": (("models", "background"),),
    "ANYCLAUDE_CLASSIFIER_MODEL": (("models", "classifier"),),
    "ANYCLAUDE_VISION_MODEL": (("models", "vision"),),
}

FLAGS: Final[Mapping[str, tuple[FieldPath, ...]]] = {
    "mode": (("mode",),),
    "port": (("port",),),
    "model": (("model",),),
    "proxy-only": (("proxy_only",),),
    "ui": (("ui",),),
    "full-tools": (("full_tools",),),
    "stable-prompt": _STABLE_PROMPT,
}

DEFAULT: Final = "default"


@dataclass(frozen=True, slots=True)
class Resolved:
    """origins: for every setting, by its dotted path, the name of the place that decided it.

    notices: sentences that the person at the terminal should read.
    """

    settings: Settings
    origins: Mapping[str, str]
    notices: tuple[str, ...] = ()


def resolve(
    flags: Mapping[str, object], environ: Mapping[str, str], cwd: Path | None = None, home: Path | None = None
) -> Resolved:
    """Settings from flags (without their dashes), environment and files; no files where cwd or home is None.

    Raises SetupError with one sentence.
    """
    above = [environment_items(environ), flag_items(flags)]
    if cwd is None or home is None:
        return merge(above)
    found = user_file(home, environ)
    own = _checked(file_items(found)) if found else []
    project, notices = _believed(project_file(cwd, home), home)
    cluster, more = _believed(project_cluster_file(cwd, home), home)
    resolved = merge([_saved_items(home), own, _own_cluster_items(home), project, cluster, *above])
    return replace(resolved, notices=(*notices, *more, *choices(resolved.settings, resolved.origins, project)))


def _saved_items(home: Path) -> list[Item]:
    with mended_by_hand():
        return _checked(saved_items(home))


def _own_cluster_items(home: Path) -> list[Item]:
    found = own_cluster_file(home)
    return _checked(cluster_items(found)) if found else []


def _believed(found: Found | None, home: Path) -> tuple[list[Item], list[str]]:
    """What counts of a file of the working directory, and what is said about the rest."""
    return believed(found, _checked(items_of(found)), home) if found else ([], [])


def _checked(items: list[Item]) -> list[Item]:
    """The items of a file, each of the exact type: in JSON "no" is not false. Raises SetupError."""
    _validated({item.path: item for item in items}, strict=True)
    return items


def environment_items(environ: Mapping[str, str]) -> list[Item]:
    """What the environment says. An empty variable counts as unset. Raises SetupError."""
    given = [
        Item(path, _decoded(name, path, environ[name]), name)
        for name, paths in VARIABLES.items()
        for path in paths
        if environ.get(name, "").strip()
    ]
    if _is_true(environ.get("MLX_CLUSTER_ENABLED", "")):
        given.insert(0, Item(("mode",), "mlx-cluster", "MLX_CLUSTER_ENABLED"))  # a mode that is named replaces it
    return given


def _is_true(text: str) -> bool:
    try:
        return TypeAdapter(bool).validate_python(text.strip())
    except ValidationError:
        return False  # unset, or wrong, which is told where it is a setting


def flag_items(flags: Mapping[str, object]) -> list[Item]:
    return [Item(path, value, f"--{name}") for name, value in flags.items() for path in FLAGS[name]]


def merge(layers: Iterable[Sequence[Item]]) -> Resolved:
    """One tree from all layers, lowest first. Raises SetupError."""
    chosen: dict[FieldPath, Item] = {item.path: item for layer in layers for item in by_field(layer)}
    settings = _validated(chosen)
    origins = {".".join(path): _origin(path, chosen) for path in _leaves(settings)}
    return Resolved(settings, origins)


def _validated(chosen: Mapping[FieldPath, Item], *, strict: bool = False) -> Settings:
    tree = _tree(chosen.values())
    try:
        if strict:
            return Settings.model_validate_json(json.dumps(tree), strict=True)
        return Settings.model_validate(tree)
    except ValidationError as error:
        raise SetupError(complaint(error.errors()[0], chosen)) from None


def _decoded(name: str, path: FieldPath, text: str) -> object:
    if path != _NODES:
        return text.strip()
    try:
        value = json.loads(text)
    except ValueError as error:
        raise SetupError(f"{name} is not JSON ({error}); it must be {A_LIST_OF_NODES}") from None
    if not isinstance(value, list):
        raise SetupError(f"{name} must be {A_LIST_OF_NODES}")
    return value


def _tree(items: Iterable[Item]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for item in items:
        branch = tree
        for key in item.path[:-1]:
            branch = branch.setdefault(key, {})
        branch[item.path[-1]] = item.value
    return tree


def _leaves(model: BaseModel, above: FieldPath = ()) -> Iterable[FieldPath]:
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from _leaves(value, (*above, name))
        else:
            yield (*above, name)


def _origin(path: FieldPath, chosen: Mapping[FieldPath, Item]) -> str:
    said = origin_of(chosen) if path == ("profiles",) else None
    return chosen[path].origin if path in chosen else said or DEFAULT
