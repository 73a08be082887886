"""Where Claude Code's own settings are. It reads none in folders above the working directory, not even at the root of a
repository (observed with 2.1.197).
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

MANAGED: Final = (Path("/etc/claude-code"), Path("/Library/Application Support/ClaudeCode"))
"""Where an organisation puts settings that count more than all others."""

_NAMES: Final = ("settings.json", "settings.local.json")


def settings_files(
    user: Path, project: Path, environ: Mapping[str, str], managed: Sequence[Path] = MANAGED
) -> list[Path]:
    """Each place once, whether or not a file is there. user: the home directory. project: where claude is started."""
    own = Path(environ.get("CLAUDE_CONFIG_DIR") or user / ".claude")
    every = [folder / name for folder in (own, project / ".claude") for name in _NAMES]
    return list(dict.fromkeys([*every, *(path for folder in managed for path in _managed(folder))]))


def _managed(folder: Path) -> Iterator[Path]:
    yield folder / "managed-settings.json"
    try:
        yield from sorted((folder / "managed-settings.d").glob("*.json"))
    except OSError:
        return
