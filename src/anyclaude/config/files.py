"""Settings files: `.anyclauderc.json` of the working directory, and the user's own.

A file is opened once: what is judged, hashed and read are the same bytes. It is taken apart along the tree of
`Settings` into one `Item` for each setting, so that every value keeps its origin. What is wrong with it is one sentence
that never repeats a value which may be secret.
"""

import difflib
import errno
import json
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Never

from pydantic import BaseModel

from anyclaude.config.items import FieldPath, Item
from anyclaude.config.model import Settings
from anyclaude.config.upstreams import json_key
from anyclaude.errors import SetupError

NAME: Final = ".anyclauderc.json"
LARGEST: Final = 1_000_000
"""Bytes of a settings file."""

NOT_IN_FILES: Final = frozenset({"home"})
"""Settings that have no key in a file: the record of trusted files lies in `home`, so no file may move it."""

_CLIPPED: Final = 60
_MOVED: Final = {
    "nodes": "discovery.nodes",
    "strategy": "routing.strategy",
    "healthInterval": "health.checkIntervalMs",
}
"""Keys of the cluster that were elsewhere."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file as it was read. label: how it is called in origins and complaints. linked: it is a symbolic link."""

    path: Path
    label: str
    content: bytes
    owner: int
    linked: bool


def project_file(cwd: Path, home: Path) -> Found | None:
    """The file of the working directory. In the home directory there is none: that file is the user's.

    Raises SetupError for a file that cannot be read.
    """
    if cwd.resolve() == home.resolve():
        return None
    return read(cwd / NAME, NAME)


def user_file(home: Path, environ: Mapping[str, str]) -> Found | None:
    """`~/.anyclauderc.json`, else `anyclaude/config.json` of XDG_CONFIG_HOME (`~/.config`). Raises SetupError."""
    configured = Path(environ.get("XDG_CONFIG_HOME", ""))
    folder = configured if configured.is_absolute() else home / ".config"
    second = folder / "anyclaude" / "config.json"
    return read(home / NAME, f"~/{NAME}") or read(second, _with_tilde(second, home))


def read(path: Path, label: str) -> Found | None:
    """The file, or None where there is none. Raises SetupError when it is none that can be read, or too large."""
    try:
        opened, linked = _open(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise SetupError(f"{label} cannot be read: {error.strerror}") from None
    try:
        status = os.fstat(opened)
        if not stat.S_ISREG(status.st_mode):
            kind = "a directory" if stat.S_ISDIR(status.st_mode) else "not a regular file"
            raise SetupError(f"{label} is {kind}; it must be a JSON file")
        with open(opened, "rb", closefd=False) as file:
            content = file.read(LARGEST + 1)
    finally:
        os.close(opened)
    if len(content) > LARGEST:
        raise SetupError(f"{label} is larger than 1 MB, which no settings file is")
    return Found(path, label, content, status.st_uid, linked)


def items(found: Found) -> list[Item]:
    """What the file sets, as Items whose origin is like `.anyclauderc.json: backends.lmstudio.baseUrl`.

    Raises SetupError for what is not UTF-8, not JSON, not an object, or a key that is not known.
    """
    return taken_apart(found, Settings, (), '{"backend": "lmstudio"}')


def taken_apart(found: Found, model: type[BaseModel], path: FieldPath, example: str) -> list[Item]:
    """What the file sets along `model`, which stands at `path` of the settings. Raises SetupError like `items`."""
    tree = parsed(found)
    if not isinstance(tree, dict):
        raise SetupError(f"{found.label} must hold a JSON object, as in {example}")
    tree.pop("$schema", None)
    return list(_items(model, tree, found.label, path, ()))


def _open(path: Path) -> tuple[int, bool]:
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # a pipe must not keep us waiting
    try:
        return os.open(path, flags | os.O_NOFOLLOW), False
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
    return os.open(path, flags), True


def _with_tilde(path: Path, home: Path) -> str:
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)


def parsed(found: Found) -> Any:
    """The JSON in the file. Raises SetupError for what is not UTF-8, not JSON, or means two things."""
    try:
        text = found.content.decode("utf-8-sig")
        return json.loads(text, object_pairs_hook=_unrepeated, parse_constant=_no_constant)
    except UnicodeDecodeError:
        raise SetupError(f"{found.label} is not UTF-8 text") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise SetupError(f"{found.label} is not JSON: {where}: {error.msg}") from None
    except RecursionError:
        raise SetupError(f"{found.label} is nested too deeply") from None
    except ValueError as error:
        words = error.args[0] if isinstance(error, _NotPlain) else "it has a number that is too long"
        raise SetupError(f"{found.label} is not plain JSON: {words}") from None


class _NotPlain(ValueError):
    """JSON that Python reads, and that means nothing or two things."""


def _unrepeated(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for key, value in pairs:
        if key in tree:
            raise _NotPlain(f"the key {_clipped(key)} is there twice in one object")
        tree[key] = value
    return tree


def _no_constant(name: str) -> Never:
    raise _NotPlain(f"{name} is not a number of JSON")


def _items(
    model: type[BaseModel], tree: Mapping[str, Any], label: str, path: tuple[str, ...], keys: tuple[str, ...]
) -> Iterator[Item]:
    fields = {json_key(name): name for name in model.model_fields if name not in NOT_IN_FILES}
    for key, value in tree.items():
        dotted = ".".join((*keys, key))
        if key not in fields:
            raise SetupError(f"{label}: {_clipped(dotted)} {_unknown(key, fields)}")
        name = fields[key]
        inner = model.model_fields[name].annotation
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            yield Item((*path, name), value, f"{label}: {dotted}")
        elif not isinstance(value, dict):
            raise SetupError(f"{label}: {dotted} must be a JSON object")
        else:
            yield from _items(inner, value, label, (*path, name), (*keys, key))


def _unknown(key: str, fields: Mapping[str, str]) -> str:
    if key in NOT_IN_FILES:
        return "cannot be set in a file: logs, traces and the record of trusted files always lie in ~/.anyclaude"
    if key in _MOVED and "discovery" in fields:
        return f"is not a known key any more; it is {_MOVED[key]} now"
    if key in fields.values():
        return f"is not a known key; did you mean {json_key(key)}?"
    folded = {known.casefold(): known for known in fields}
    close = difflib.get_close_matches(key.casefold(), folded, n=1)
    if close:
        return f"is not a known key; did you mean {folded[close[0]]}?"
    return f"is not a known key; known here are {', '.join(fields)}"


def _clipped(text: str) -> str:
    return text if len(text) <= _CLIPPED else f"{text[:_CLIPPED]}..."
