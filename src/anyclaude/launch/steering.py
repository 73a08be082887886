"""Settings for one launch of claude, which count more than the person's own.

Claude Code lets the `env` of its settings files win over what it inherits, a base URL there included; what `--settings`
names wins over both, and leaves the rest of them (a key, models) in force (observed with 2.1.197). Variables are for
claude mode alone: CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST, which serves the other modes, makes it ignore a key in the
settings too.
"""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from anyclaude.errors import SetupError
from anyclaude.launch.fit import SUBCOMMANDS

_NO_PLACE: Final = "claude's settings cannot be kept in a temporary folder ({}): make room, or set TMPDIR"


@contextmanager
def steered(arguments: Sequence[str], settings: Mapping[str, Any], *, needed: bool = True) -> Iterator[tuple[str, ...]]:
    """The arguments, with a file of these settings, which only we can read and which goes with the block.

    The person's own `--settings` and Claude Code's subcommands are left as they are. needed: raises SetupError when
    there is no place for the file; else claude starts without.
    """
    given = tuple(arguments)
    own = any(argument == "--settings" or argument.startswith("--settings=") for argument in given)
    if not settings or own or (given and given[0] in SUBCOMMANDS):
        yield given
        return
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="anyclaude-", ignore_cleanup_errors=True))
            given = ("--settings", str(_written(Path(folder), settings)), *given)
        except OSError as error:
            if needed:
                raise SetupError(_NO_PLACE.format(error.strerror)) from error
        yield given


def _written(folder: Path, settings: Mapping[str, Any]) -> Path:
    """For us alone, as the folder is."""
    path = folder / "settings.json"
    path.touch(0o600)
    path.write_text(json.dumps(settings))
    return path
