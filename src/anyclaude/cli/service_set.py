"""What a service is set with: what the person's environment says now, and what makes a proxy stand."""

import importlib.util
import os
import secrets
import socket
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from anyclaude.cli.args import split
from anyclaude.config.load import resolve
from anyclaude.errors import SetupError
from anyclaude.launch.service import Name, Service, environment_file, inherited, service_of
from anyclaude.launch.service_work import stored_variables
from anyclaude.launch.worker import NEEDED

FIRST_PORT: Final = 8788
"""From here on a port is looked for; systems give none of these away by themselves."""

_LOOKED_AT: Final = 100


def set_up(name: Name, flags: Sequence[str], home: Path) -> tuple[Service, dict[str, str]]:
    """The service as it is to be, and the variables that it is started with: those of before, over them those of now.

    Raises SetupError.
    """
    given = inherited(name, os.environ)
    _check_paths([*flags, *given.values()])
    variables = stored_variables(environment_file(home, name)) | given
    if name == "proxy":
        variables |= _standing(flags, variables, home)
    elif missing := [package for package in NEEDED if importlib.util.find_spec(package) is None]:
        raise SetupError(f"the worker needs {missing[0]}; install it: pip install 'anyclaude[worker]'")
    return service_of(name, home, flags, variables), variables


def _check_paths(words: Iterable[str]) -> None:
    """Raises SetupError for what is a file from this directory only: a service starts in another."""
    for word in words:
        value = word.partition("=")[2] if word.startswith("--") else word
        if "/" in value and not value.startswith("/") and Path(value).exists():
            raise SetupError(f"a service does not start in this directory: give {Path(value).absolute()}, not {value}")


def _standing(flags: Sequence[str], variables: Mapping[str, str], home: Path) -> dict[str, str]:
    """What makes a proxy stand: an address and a token that stay, and no end where its upstream is not there yet.

    Raises SetupError for settings that are wrong.
    """
    given = split(flags)
    if given.asks or given.claude:
        raise SetupError(f"a standing proxy takes the flags of a launch, not {given.asks or given.claude[0]!r}")
    settings = resolve(given.ours, variables, home, home).settings
    added = {} if settings.skip_setup_check else {"ANYCLAUDE_SKIP_SETUP_CHECK": "true"}
    if settings.auth_token is None:
        added["ANYCLAUDE_AUTH_TOKEN"] = secrets.token_urlsafe(32)
    if settings.port == 0:
        added["ANYCLAUDE_PORT"] = str(_free_port())
    return added


def _free_port() -> int:
    """Raises SetupError when all that are looked at are taken."""
    for port in range(FIRST_PORT, FIRST_PORT + _LOOKED_AT):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port
    raise SetupError("no free port was found for the proxy; choose one with ANYCLAUDE_PORT")
