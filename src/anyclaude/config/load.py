"""From flags and environment to one frozen `Settings`, every value with its origin.

Layers are lists of `Item`s in rising order of precedence (defaults < files < environment < flags); a later item
replaces an earlier one of the same path. They are merged into one tree, which the model validates once; a complaint is
then told in the words of the person who has to mend it: the name of the variable or flag, and what is allowed.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from anyclaude.config.model import MODES, Settings
from anyclaude.errors import SetupError

Path = tuple[str, ...]

VARIABLES: Final[Mapping[str, Path]] = {
    "ANYCLAUDE_MODE": ("mode",),
    "ANYCLAUDE_PORT": ("port",),
    "ANYCLAUDE_AUTH_TOKEN": ("auth_token",),
    "PROXY_ONLY": ("proxy_only",),
    "LMSTUDIO_URL": ("backends", "lmstudio", "url"),
    "LMSTUDIO_MODEL": ("backends", "lmstudio", "model"),
    "LMSTUDIO_API_KEY": ("backends", "lmstudio", "api_key"),
    "MLX_CLUSTER_NODES": ("backends", "mlx_cluster", "nodes"),
}

FLAGS: Final[Mapping[str, Path]] = {
    "mode": ("mode",),
    "port": ("port",),
    "model": ("model",),
    "proxy-only": ("proxy_only",),
    "full-tools": ("full_tools",),
}

_BOOLEAN: Final = "true or false (also 1/0, yes/no, on/off)"
_ALLOWED: Final[Mapping[Path, str]] = {
    ("mode",): f"one of {', '.join(MODES)}",
    ("port",): "a whole number from 0 to 65535 (0 picks a free port)",
    ("proxy_only",): _BOOLEAN,
    ("full_tools",): _BOOLEAN,
    ("backends", "lmstudio", "url"): "an http:// or https:// URL, as in http://localhost:1234/v1",
    ("backends", "mlx_cluster", "nodes"): 'a JSON list, as in [{"id": "mac1", "url": "http://mac1.local:8081"}]',
}
_SHOWN: Final[frozenset[Path]] = frozenset({("mode",), ("port",), ("proxy_only",), ("full_tools",)})
"""Settings whose wrong value is repeated in the error. All others may hold a secret, URLs included."""

DEFAULT: Final = "default"


@dataclass(frozen=True, slots=True)
class Item:
    """One value that somebody gave, and where: the name of a variable, a flag, or a file and its key."""

    path: Path
    value: object
    origin: str


@dataclass(frozen=True, slots=True)
class Resolved:
    """origins: for every setting, by its dotted path, the name of the place that decided it."""

    settings: Settings
    origins: Mapping[str, str]


def resolve(flags: Mapping[str, object], environ: Mapping[str, str]) -> Resolved:
    """Settings from flags (without their dashes) and environment. Raises SetupError with one sentence."""
    return merge([environment_items(environ), flag_items(flags)])


def environment_items(environ: Mapping[str, str]) -> list[Item]:
    """What the environment says. An empty variable counts as unset."""
    return [
        Item(path, _decoded(name, path, environ[name]), name)
        for name, path in VARIABLES.items()
        if environ.get(name, "").strip()
    ]


def flag_items(flags: Mapping[str, object]) -> list[Item]:
    return [Item(FLAGS[name], value, f"--{name}") for name, value in flags.items()]


def merge(layers: Iterable[Sequence[Item]]) -> Resolved:
    """One tree from all layers, lowest first. Raises SetupError."""
    chosen: dict[Path, Item] = {item.path: item for layer in layers for item in layer}
    try:
        settings = Settings.model_validate(_tree(chosen.values()))
    except ValidationError as error:
        raise SetupError(_complaint(error.errors()[0], chosen)) from None
    origins = {".".join(path): _origin(path, chosen) for path in _leaves(settings)}
    return Resolved(settings, origins)


def _decoded(name: str, path: Path, text: str) -> object:
    if path != ("backends", "mlx_cluster", "nodes"):
        return text.strip()
    try:
        value = json.loads(text)
    except ValueError as error:
        raise SetupError(f"{name} is not JSON ({error}); it must be {_ALLOWED[path]}") from None
    if not isinstance(value, list):
        raise SetupError(f"{name} must be {_ALLOWED[path]}")
    return value


def _tree(items: Iterable[Item]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for item in items:
        branch = tree
        for key in item.path[:-1]:
            branch = branch.setdefault(key, {})
        branch[item.path[-1]] = item.value
    return tree


def _complaint(error: ErrorDetails, chosen: Mapping[Path, Item]) -> str:
    where = tuple(str(part) for part in error["loc"])
    item = next((chosen[where[:n]] for n in range(len(where), 0, -1) if where[:n] in chosen), None)
    if item is None:
        return f"{'.'.join(where)}: {error['msg']}"
    inside = where[len(item.path) :]
    if inside:
        return f"{item.origin}: {_inside(inside)} {_said(error)}"
    wrong = f", not {item.value!r}" if item.path in _SHOWN else ""
    allowed = _ALLOWED.get(item.path)
    return f"{item.origin} must be {allowed}{wrong}" if allowed else f"{item.origin} {_said(error)}"


def _inside(where: Path) -> str:
    """`0.url` of a list as `entry 1, url`."""
    named = [f"entry {int(part) + 1}" if part.isdigit() else part for part in where]
    return ", ".join(named)


def _said(error: ErrorDetails) -> str:
    """pydantic's words as the end of a sentence."""
    words = {"missing": "is missing", "extra_forbidden": "is not a known key"}
    text = error["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return words.get(error["type"]) or (text if text.startswith("must") else f"must be {text}")


def _leaves(model: BaseModel, above: Path = ()) -> Iterable[Path]:
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from _leaves(value, (*above, name))
        else:
            yield (*above, name)


def _origin(path: Path, chosen: Mapping[Path, Item]) -> str:
    return chosen[path].origin if path in chosen else DEFAULT
