"""`~/.anyclaude/profiles.json`: what `--test-model` found out about models, by their names.

The file is a layer of the configuration right above the defaults, so all that the person says counts over it. Profiles
are taken apart into one Item for each field of each model: a layer adds to what those below say of the same model.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from anyclaude.config.files import parsed, read
from anyclaude.config.items import FieldPath, Item
from anyclaude.config.model import ProfileChange
from anyclaude.config.own_files import locked, write_private
from anyclaude.config.upstreams import json_key
from anyclaude.errors import SetupError

NAME: Final = "profiles.json"
LABEL: Final = f"~/.anyclaude/{NAME}"

_PROFILES: Final[FieldPath] = ("profiles",)
_FIELDS: Final = {json_key(name): name for name in ProfileChange.model_fields}


def saved_items(home: Path) -> list[Item]:
    """What the file in the person's home directory says, not yet checked. Raises SetupError for what is no JSON."""
    tree = _read(home / ".anyclaude" / NAME)
    return [] if tree is None else [Item(_PROFILES, tree, LABEL)]


def save_profile(folder: Path, model: str, change: ProfileChange) -> Path:
    """Add what was found out to what is there, and return the file. folder: `settings.home`. Raises SetupError."""
    path = folder.expanduser() / NAME
    with locked(path):
        there = _read(path) or {}
        if not isinstance(there, dict) or not isinstance(there.get(model, {}), dict):
            raise SetupError(f"{path} is no list of models; remove it and run `anyclaude --test-model` again")
        said = change.model_dump(mode="json", by_alias=True, exclude_none=True)
        write_private(path, {**there, model: {**there.get(model, {}), **said}})
    return path


@contextmanager
def mended_by_hand() -> Iterator[None]:
    """A fault of the file, with the next step. Raises SetupError."""
    try:
        yield
    except SetupError as error:
        raise SetupError(f"{error.message}; correct that file or remove it") from None


def by_field(items: Sequence[Item]) -> list[Item]:
    """The items, each of `profiles` taken apart. They have been checked."""
    return [piece for item in items for piece in _pieces(item)]


def origin_of(chosen: Mapping[FieldPath, Item]) -> str | None:
    """The places that say something of models, lowest first; None where none does."""
    return ", ".join(dict.fromkeys(item.origin for path, item in chosen.items() if path[:1] == _PROFILES)) or None


def _pieces(item: Item) -> Iterator[Item]:
    if item.path != _PROFILES or not isinstance(item.value, Mapping):
        yield item
        return
    for model, said in item.value.items():
        for key, value in said.items():
            yield Item((*_PROFILES, model, _FIELDS.get(key, key)), value, item.origin)


def _read(path: Path) -> Any:
    """The JSON in it, None where there is no such file. Raises SetupError."""
    found = read(path, LABEL)
    return None if found is None else parsed(found)
