"""Whether the settings file of a directory is believed.

A repository can bring a `.anyclauderc.json`, so that file may only choose among what is the user's own anyway: backend,
models, prompt options. What could send prompts or keys elsewhere counts only after `anyclaude --trust`, which records
the directory with the hash of the file, so that a file which changes is a stranger again.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from anyclaude.config.files import Found, project_file
from anyclaude.config.files import items as file_items
from anyclaude.config.items import FieldPath, Item
from anyclaude.config.own_files import locked, write_private
from anyclaude.config.upstreams import Prompting
from anyclaude.errors import SetupError

_FREE: Final = frozenset({"model", "fallback", *Prompting.model_fields})
"""What any project file may set for a backend."""

_ROOT: Final = 0
_NEXT_STEP: Final = "look at the file, then run `anyclaude --trust`"
_OWN_FILE: Final = "what you want of it belongs in ~/.anyclauderc.json"


def is_free(path: FieldPath) -> bool:
    """Whether any project file may set this."""
    match path:
        case ("mode",) | ("models", _) | ("backends", "openrouter", "models"):
            return True
        case ("backends", _, name):
            return name in _FREE
    return False


def distrust(found: Found, home: Path) -> str | None:
    """Why the file is not believed, with the next step; None when it is. Raises SetupError for a broken record."""
    if found.linked:
        return f"because the file is a link; {_OWN_FILE}"
    if found.owner not in (_ROOT, os.getuid()):
        return f"because the file belongs to another user; {_OWN_FILE}"
    recorded = _recorded(home).get(_directory(found))
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
    """Record that the file of the directory is believed as it is now, and say so in one sentence. Raises SetupError."""
    found = project_file(cwd, home)
    if found is None:
        raise SetupError("there is nothing to trust: this directory has no .anyclauderc.json of its own")
    if found.linked or found.owner not in (_ROOT, os.getuid()):
        raise SetupError(f"{found.path} cannot be trusted, {distrust(found, home)}")
    strange = [item for item in file_items(found) if not is_free(item.path)]
    with locked(_store(home)):
        write_private(_store(home), {**_recorded(home), _directory(found): _hash(found)})
    says = f"it sets {_names(strange)}" if strange else "it sets nothing that needs it"
    return f"{found.path} is trusted as it is now; {says}"


def _names(items: Sequence[Item]) -> str:
    return ", ".join(item.origin.partition(": ")[2] for item in items)


def _directory(found: Found) -> str:
    return str(found.path.parent.resolve())


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
