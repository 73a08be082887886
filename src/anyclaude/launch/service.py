"""What runs by itself, started by the system at login: a worker, or a proxy that stands.

What a service is, which system starts it, and how it is, as values; `service_systemd` and `service_launchd` say it in
the words of the two systems, `service_work` does it. No secret is in a unit or in a command line: what the services are
set with stands in a file for the owner alone, `~/.anyclaude/services/NAME.env`.
"""

import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from anyclaude.config.load import VARIABLES
from anyclaude.errors import SetupError

Name = Literal["worker", "proxy"]
NAMES: Final[tuple[Name, ...]] = ("worker", "proxy")

MARKER: Final = "Written by `anyclaude service`"
"""By this a file is known to be ours."""

STOPPING: Final = 30.0
"""Seconds from being told to end until being killed; the proxy's answers under way get ten, the worker's fifteen."""
MARGIN: Final = 15.0
"""Seconds that a service takes to end beyond those that its answers get."""

PYTHON: Final = (sys.executable, "-P")
"""The interpreter of this installation, that of its own environment where it has one, as pipx and uv make them. `-P`:
nothing is imported from the directory that it is started in."""

_SHARED_NAMES: Final = """
    HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY http_proxy https_proxy all_proxy no_proxy SSL_CERT_FILE SSL_CERT_DIR
    XDG_CONFIG_HOME XDG_CACHE_HOME HF_HOME HF_HUB_CACHE HF_ENDPOINT HF_TOKEN HF_HUB_OFFLINE
"""
_SHARED: Final = frozenset(_SHARED_NAMES.split())
"""The way out, and where models are."""

_OF_THE_SETTINGS: Final = frozenset(VARIABLES) - {"ANTHROPIC_BASE_URL", "PROXY_ONLY"}
"""Without the address of Claude: in a shell that was pointed to a proxy it is that proxy's."""


@dataclass(frozen=True, slots=True)
class Service:
    """home: of the person. command: what is started. pause: seconds before it is started again after a failure.

    stopping: seconds from being told to end until being killed.
    """

    name: Name
    about: str
    home: Path
    command: tuple[str, ...]
    pause: int
    stopping: float = STOPPING

    @property
    def environment(self) -> Path:
        """The file with the variables that it is started with."""
        return environment_file(self.home, self.name)

    @property
    def exports(self) -> Path | None:
        """Where the proxy writes the two lines that lead a claude to it: its token is in them."""
        return self.environment.with_suffix(".exports") if self.name == "proxy" else None


@dataclass(frozen=True, slots=True)
class Step:
    """A command. may_fail: its failure says only that there was nothing to do.

    until_it_fails: seconds in which it is run again and again until it does, for what ends in its own time.
    """

    command: tuple[str, ...]
    may_fail: bool = False
    until_it_fails: float = 0.0


@dataclass(frozen=True, slots=True)
class State:
    """How the system says that a service is. waiting: it failed, and the system will start it again.

    code: of its last end. signal: what ended it, in the system's words. starts: how often so far.
    """

    known: bool = False
    running: bool = False
    waiting: bool = False
    pid: int | None = None
    code: int | None = None
    signal: str | None = None
    starts: int | None = None


@dataclass(frozen=True, slots=True)
class System:
    """What starts programs for a person. unreachable: what to do when it does not answer.

    A unit is the file by which it knows a service. start: from the files to a service that runs as they say, also where
    it ran before. stop: before its files go; forget: afterwards.
    """

    name: str
    reach: tuple[str, ...]
    unreachable: str
    unit: Callable[[Service], Path]
    text: Callable[[Service], str]
    start: Callable[[Service], Sequence[Step]]
    stop: Callable[[Service], Sequence[Step]]
    forget: Callable[[Service], Sequence[Step]]
    look: Callable[[Service], tuple[str, ...]]
    read: Callable[[str], State]
    log: Callable[[Service, int, bool], tuple[str, ...]]
    log_file: Callable[[Service], Path | None]
    again: Callable[[Service], str]
    """What a person types to start it anew."""


def service_of(
    name: Name, home: Path, flags: Sequence[str] = (), variables: Mapping[str, str] | None = None
) -> Service:
    """The worker or the proxy of this installation, with flags of its own."""
    if name == "worker":
        command = (*PYTHON, "-m", "mlx_worker", *flags)
        return Service(name, "anyclaude worker: a model on MLX", home, command, 30, _stopping(variables or {}))
    command = (*PYTHON, "-m", "anyclaude.cli.main", "--proxy-only", *flags)
    return Service(name, "anyclaude proxy: Anthropic's API for another model", home, command, 10)


def environment_file(home: Path, name: Name) -> Path:
    """Where the variables of a service stand."""
    return home / ".anyclaude" / "services" / f"{name}.env"


def check_lasting() -> None:
    """Raises SetupError where this installation is one that goes away by itself (uvx, `pipx run`)."""
    if {".cache", "Caches"} & {*Path(sys.executable).parts}:
        raise SetupError(
            f"{sys.executable} is in a cache and may be gone tomorrow; install anyclaude for good first, "
            "as with `uv tool install` or `pipx install`"
        )


def _stopping(variables: Mapping[str, str]) -> float:
    """Longer than the worker's answers get to end in."""
    try:
        return max(STOPPING, float(variables.get("MLX_DRAIN_SECONDS", "0")) + MARGIN)
    except ValueError:
        return STOPPING  # the worker will say what is wrong with it


def inherited(name: Name, environ: Mapping[str, str]) -> dict[str, str]:
    """What of a person's environment sets the service. A service is started without the rest of it."""
    return {key: value for key, value in environ.items() if value.strip() and _sets(name, key)}


def _sets(name: Name, key: str) -> bool:
    of_a_worker = key.startswith("MLX_") and not key.startswith("MLX_CLUSTER_")
    return key in _SHARED or of_a_worker or (name == "proxy" and key in _OF_THE_SETTINGS)


def environment_text(variables: Mapping[str, str]) -> str:
    """A file that a shell reads and systemd reads alike: both take single quotes, and pieces beside each other."""
    head = f"# {MARKER}. What the service is set with; change it, then start the service anew.\n"
    return head + "".join(f"{key}={shlex.quote(value)}\n" for key, value in sorted(variables.items()))


def environment_of(text: str) -> dict[str, str]:
    """The variables of such a file, also where a person has changed it. Raises ValueError with what is wrong."""
    words = shlex.split(text, comments=True)
    if odd := next((word for word in words if not word.partition("=")[0].isidentifier() or "=" not in word), None):
        raise ValueError(f"`{odd.partition('=')[0]}` is no NAME=VALUE; a value with spaces needs quotes")
    return {key: value for key, _, value in (word.partition("=") for word in words)}
