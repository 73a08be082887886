"""`anyclaude --help`, in 80 columns: what people use most first, then everything."""

from collections.abc import Iterable
from textwrap import fill
from typing import Final

from anyclaude.cli.args import FLAGS, Flag, Kind
from anyclaude.cli.commands import COMMANDS

WIDTH: Final = 80

_HEAD: Final = """\
Usage: anyclaude [our flags] [claude's own arguments]
       anyclaude COMMAND ...

Starts the real Claude Code on a model of your choice. What is not one of our
flags goes to claude as it stands; everything after `--` is claude's.
"""

EXAMPLES: Final = (
    ("anyclaude", "talk to the model that LM Studio has loaded"),
    ('anyclaude -p "what is this?"', "one answer, then exit"),
    ("anyclaude --mode=mlx-cluster", "no server at hand: start a worker, end it after"),
    ("anyclaude --check-setup", "something does not work: what, and what to do"),
    ("anyclaude trace show last", "what was asked and answered last"),
)

_TAIL: Final = """\
Every setting is also an environment variable (LMSTUDIO_URL, LMSTUDIO_MODEL,
OPENROUTER_API_KEY, MLX_CLUSTER_NODES, ANYCLAUDE_MODE, ...) or a key of
~/.anyclauderc.json or of .anyclauderc.json here; --show-config has them all.

Exit code: claude's own (128+n when signal n ended it); 2 when this machine or a
setting is not right yet; 70 for a fault of ours.
Logs: ~/.anyclaude/logs/
Read on: the folder docs/ of the project, at first docs/README.md
"""

_ABOUT_AT: Final = 19  # column
_TITLES: Final[dict[Kind, str]] = {"launch": "Flags of a launch", "task": "In place of a launch", "asking": "Questions"}


def help_text() -> str:
    """The whole of it, with the end of the last line."""
    commands = _section("Commands (each has --help)", ((name, one.about) for name, one in COMMANDS.items()))
    flags = [_section(title, (_row(flag) for flag in FLAGS if flag.kind == kind)) for kind, title in _TITLES.items()]
    return "\n".join([_HEAD, _examples(), commands, *flags, _TAIL])


def _examples() -> str:
    widest = max(len(command) for command, _ in EXAMPLES)
    return "Most used:\n" + "".join(f"  {command:{widest}}  {about}\n" for command, about in EXAMPLES)


def _row(flag: Flag) -> tuple[str, str]:
    return (flag.name if flag.value is None else f"{flag.name}={flag.value}"), flag.about


def _section(title: str, rows: Iterable[tuple[str, str]]) -> str:
    """Names on the left, what they do beside them."""
    indent = " " * _ABOUT_AT
    return f"{title}:\n" + "".join(
        fill(about, WIDTH, initial_indent=f"  {name}".ljust(_ABOUT_AT), subsequent_indent=indent) + "\n"
        for name, about in rows
    )
