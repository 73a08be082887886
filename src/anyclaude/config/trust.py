"""Whether the settings files of a directory are believed.

A repository can bring a `.anyclauderc.json` and a `mlx-cluster.json`, so these may only choose among what is the user's
own anyway: backend, models, prompt options, how nodes are asked. What could send prompts or keys elsewhere counts only
after `anyclaude --trust`, which records each file with its hash, so that one which changes is a stranger again.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from anyclaude.config import cluster_file
from anyclaude.config.files import Found, project_file
from anyclaude.config.items import FieldPath, Item
from anyclaude.config.own_files import locked, write_private
from anyclaude.config.upstreams import Prompting
from anyclaude.errors import SetupError

_FREE: Final = frozenset({"model", "fallback", *Prompting.model_fields})
"""What any project file may set for a backend."""

_ROOT: Final = 0
_NEXT_STEP: Final = "look at the file, then run `anyclaude --trust`"
_OWN_FILE: Final = "what you want of it belongs in {}"


def is_free(path: FieldPath) -> bool:
    """Whether any project file may set this."""
    match path:
        case ("mode",) | ("models", _) | ("backends", "openrouter", "models"):
            return True
        case ("backends", _, name):
            return name in _FREE
        case ("backends", "mlx_cluster", "routing" | "health" | "cache", _):
            return True
    return False


def distrust(found: Found, home: Path) -> str | None:
    """Why the file is not believed, with the next step; None when it is. Raises SetupError for a broken record."""
    if found.linked:
        return f"because the file is a link; {_own_file(found)}"
    if found.owner not in (_ROOT, os.getuid()):
        return f"because the file belongs to another user; {_own_file(found)}"
    recorded = _recorded(home).get(_place(found))
    if recorded is None:
        return f"because this directory is not trusted; {_NEXT_STEP}"
    if recorded != _hash(found):
        return f"because the file has changed since it was trusted; {_NEXT_STEP}"
    return None


def believed(found: Found, items: Sequence[Item], home: Path) -> tuple[list[Item], list[str]]:
    """What counts of the items of a project file, and a notice on what is left out. Raises SetupError."""
    strange = [item for item in items if not is_free(item.path)]
    reason = distrust(found, home) if strange else None
    if reason is None:
        return list(items), []
    are = "which is" if len(strange) == 1 else "which are"
    notice = f"{found.path} sets {_names(strange)}, {are} left out {reason}"
    return [item for item in items if is_free(item.path)], [notice]


def trust(cwd: Path, home: Path) -> str:
    """Record that the files of the directory are believed as they are now, and say so. Raises SetupError."""
    there = (project_file(cwd, home), cluster_file.project_cluster_file(cwd, home))
    found = [file for file in there if file is not None]
    if not found:
        raise SetupError(
            "there is nothing to trust: this directory has no .anyclauderc.json or mlx-cluster.json of its own"
        )
    for file in found:
        if file.linked or file.owner not in (_ROOT, os.getuid()):
            raise SetupError(f"{file.path} cannot be trusted, {distrust(file, home)}")
    said = [_trusted(file) for file in found]
    with locked(_store(home)):
        write_private(_store(home), {**_recorded(home), **{_place(file): _hash(file) for file in found}})
    return "; ".join(said)


def _trusted(found: Found) -> str:
    """What it means to trust that file. Raises SetupError for one that is broken."""
    strange = [item for item in cluster_file.items_of(found) if not is_free(item.path)]
    says = f"it sets {_names(strange)}" if strange else "it sets nothing that needs it"
    return f"{found.path} is trusted as it is now; {says}"


def _names(items: Sequence[Item]) -> str:
    return ", ".join(item.origin.partition(": ")[2] for item in items)


def _place(found: Found) -> str:
    """Under what the file is recorded: the settings file of a directory by the directory, another by itself."""
    folder = found.path.parent.resolve()
    return str(folder / found.path.name if found.path.name == cluster_file.NAME else folder)


def _own_file(found: Found) -> str:
    return _OWN_FILE.format(cluster_file.OWN if found.path.name == cluster_file.NAME else "~/.anyclauderc.json")


def _hash(found: Found) -> str:
    return hashlib.sha256(found.content).hexdigest()


def _store(home: Path) -> Path:
    return home / ".anyclaude" / "trusted.json"


def _recorded(home: Path) -> Mapping[str, str]:
    """Directory to hash. Raises SetupError for a record that is broken, or that others may write."""
    path = _store(home)
    try:
        status = path.stat()
        tree = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError):
        tree, status = None, None
    if status is None or not isinstance(tree, dict) or not all(isinstance(value, str) for value in tree.values()):
        raise SetupError(f"{path} is no list of trusted directories; remove it and run `anyclaude --trust` again")
    if status.st_uid not in (_ROOT, os.getuid()) or status.st_mode & 0o022:
        raise SetupError(f"{path} can be written by other users; remove it and run `anyclaude --trust` again")
    return tree
