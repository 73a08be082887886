"""`anyclaude service`: a worker or a standing proxy that the system starts at login, and starts again when it fails."""

import argparse
import subprocess
import sys
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Final

from anyclaude.cli.folders import folders
from anyclaude.cli.output import plain
from anyclaude.cli.service_set import set_up
from anyclaude.cli.service_told import installed, masked, next_step, sentence
from anyclaude.cli.subcommand import Parser, Screen, ended
from anyclaude.errors import SetupError
from anyclaude.launch.service import (
    NAMES,
    Service,
    System,
    check_lasting,
    service_of,
)
from anyclaude.launch.service_launchd import LAUNCHD
from anyclaude.launch.service_systemd import SYSTEMD
from anyclaude.launch.service_work import (
    Plan,
    changes,
    check_ours,
    check_reached,
    do,
    left_by,
    planned,
    remove,
    run_command,
    state_of,
    write,
)
from anyclaude.wire.exit_codes import ExitCode

SYSTEMS: Final[Mapping[str, System]] = {"darwin": LAUNCHD, "linux": SYSTEMD}

SHOWN: Final = 5
"""Lines of a log in `status`."""

_STATUS: Final = (
    "How services are: since when they run or how they ended, the last lines of their logs, what to do next. Exit code "
    "1 when one does not run."
)
_REMOVE: Final = "Stop a service and remove all that was written for it: unit, variables with their secrets, log."
_ABOUT: Final = (
    "A worker or a standing proxy that launchd (macOS) or systemd (Linux) starts at login, and starts again when it "
    "fails. More: docs/guides/service.md"
)
_INSTALL: Final = (
    "Install a service, or change one: what the environment here sets (MLX_..., ANYCLAUDE_..., keys) goes to a file "
    "for you alone, ~/.anyclaude/services/NAME.env; what is not set here stays as it was there. Flags of the program "
    "itself come after `--`, all of them each time."
)
_EXAMPLES: Final = (
    ("anyclaude service install worker", "a model, after every login"),
    ("anyclaude service install proxy -- --mode=claude", "with flags of the proxy"),
    ("anyclaude service status", "do they run; if not, why"),
    ("anyclaude service logs worker -f", "what it says, as it comes"),
    ("anyclaude service remove worker", "stop it; nothing stays"),
)


def run(argv: Sequence[str]) -> int:
    """Do what `anyclaude service ARGV` asks, and return the exit code."""
    ours = [*takewhile(lambda word: word != "--", argv)]
    return ended(parser(), ours, lambda given, screen: _done(given, argv[len(ours) + 1 :], screen))


def parser() -> Parser:
    """What may be asked of us."""
    top = Parser(prog="anyclaude service", about=_ABOUT, examples=_EXAMPLES)
    commands = top.add_subparsers(required=True, title="commands", metavar="COMMAND")
    installing = commands.add_parser("install", help="install a service, or change one", about=_INSTALL)
    installing.add_argument("name", choices=NAMES, help="which")
    installing.add_argument("--dry-run", action="store_true", help="print the files and the commands instead")
    installing.add_argument("--force", action="store_true", help="replace files that we did not write")
    installing.set_defaults(do=_install)
    telling = commands.add_parser("status", help="how services are", about=_STATUS)
    telling.add_argument("name", choices=NAMES, nargs="?", help="which (default: all that are installed)")
    telling.set_defaults(do=_status)
    removing = commands.add_parser("remove", help="stop a service and remove it", about=_REMOVE)
    removing.add_argument("name", choices=NAMES, help="which")
    removing.add_argument("--force", action="store_true", help="also a unit that we did not write")
    removing.set_defaults(do=_remove)
    logging = commands.add_parser("logs", help="what a service said", about="The last lines of a service's log.")
    logging.add_argument("name", choices=NAMES, help="which")
    logging.add_argument("-n", type=int, default=50, metavar="N", help="how many lines (50)")
    logging.add_argument("-f", "--follow", action="store_true", help="and what comes, until Ctrl-C")
    logging.set_defaults(do=_logs)
    return top


# Commands


def _done(given: argparse.Namespace, flags: Sequence[str], screen: Screen) -> int:
    if flags and given.do is not _install:
        raise SetupError("only `install` takes flags of the program itself; leave out what comes after `--`")
    given.flags = flags
    code: int = given.do(given, _system(), screen)
    return code


def _install(given: argparse.Namespace, system: System, screen: Screen) -> int:
    service, variables = set_up(given.name, given.flags, folders()[1])
    plan = planned(service, system, variables)
    if given.dry_run:
        return _show(plan, screen)
    check_lasting()
    if not given.force:
        check_ours(plan.files)
    check_reached(system, run_command)
    if not changes(plan) and state_of(service, system, run_command).running:
        _say(screen, f"the {service.name} is installed like this and runs; to start it anew: {system.again(service)}")
        return ExitCode.DONE
    write(service, plan, lambda line: _say(screen, line))
    do(plan.steps, run_command, lambda line: _say(screen, line))
    for line in installed(service, system, variables):
        _say(screen, line)
    return ExitCode.DONE


def _status(given: argparse.Namespace, system: System, screen: Screen) -> int:
    check_reached(system, run_command)
    asked = [service_of(name, folders()[1]) for name in ([given.name] if given.name else NAMES)]
    there = [service for service in asked if left_by(service, system)] or asked
    running = [_tell(service, system, screen) for service in there]
    return ExitCode.DONE if all(running) else ExitCode.NO


def _tell(service: Service, system: System, screen: Screen) -> bool:
    """Whether it runs."""
    state = state_of(service, system, run_command)
    _say(screen, sentence(service, state, _since(state.pid)))
    for path in left_by(service, system):
        _say(screen, f"  file  {path}")
    if state.known:
        for line in run_command(system.log(service, SHOWN, False)).said.splitlines()[-SHOWN:]:
            _say(screen, f"  log   {plain(line)}")
    if step := next_step(service, system, state):
        _say(screen, f"  next  {step}")
    return state.running


def _remove(given: argparse.Namespace, system: System, screen: Screen) -> int:
    service = service_of(given.name, folders()[1])
    if not left_by(service, system):
        _say(screen, f"the {service.name} is not installed")
        return ExitCode.DONE
    if not given.force:
        check_ours([system.unit(service)])
    check_reached(system, run_command)
    remove(service, system, run_command, lambda line: _say(screen, line))
    return ExitCode.DONE


def _logs(given: argparse.Namespace, system: System, screen: Screen) -> int:
    command = system.log(service_of(given.name, folders()[1]), given.n, given.follow)
    try:
        return ExitCode.NO if subprocess.run(command, check=False).returncode else ExitCode.DONE  # noqa: S603
    except FileNotFoundError:
        raise SetupError(f"there is no {command[0]} here, which shows the log") from None


# What they need


def _system() -> System:
    """Raises SetupError where there is none that we know."""
    if (system := SYSTEMS.get(sys.platform)) is None:
        raise SetupError(f"services are for macOS and Linux, not for {sys.platform}")
    return system


def _since(pid: int | None) -> str | None:
    """When a process began, in the words of `ps`."""
    return run_command(("ps", "-o", "lstart=", "-p", str(pid))).said.strip() or None if pid else None


def _show(plan: Plan, screen: Screen) -> int:
    for path, text in plan.files.items():
        _say(screen, f"# {path}\n{masked(text) if path.suffix == '.env' else text}")
    _say(screen, "# then")
    for step in plan.steps:
        _say(screen, " ".join(step.command))
    return ExitCode.DONE


def _say(screen: Screen, line: str) -> None:
    screen.print(line, soft_wrap=True)
