"""Settings for one launch of claude, which count more than the person's own.

Claude Code lets the `env` of its settings files win over what it inherits, a base URL there included; what `--settings`
names wins over both, and leaves the rest of them (a key, models) in force (observed with 2.1.197). For claude mode
alone: CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST, which serves the other modes, makes it ignore a key in the settings too.
"""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from anyclaude.launch.fit import SUBCOMMANDS


@contextmanager
def steered(arguments: Sequence[str], variables: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    """The arguments, with a settings file for these variables, which only we can read and which goes with the block.

    The person's own `--settings` and Claude Code's subcommands are left as they are.
    """
    given = tuple(arguments)
    own = any(argument == "--settings" or argument.startswith("--settings=") for argument in given)
    if own or (given and given[0] in SUBCOMMANDS):
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="anyclaude-") as folder:  # 0700
        settings = Path(folder) / "settings.json"
        settings.write_text(json.dumps({"env": dict(variables)}))
        settings.chmod(0o600)
        yield ("--settings", str(settings), *given)
