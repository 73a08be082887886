"""Installing a service, looking after it, and removing it with all that it left: files, and commands of the system.

What is to be done is a `Plan` first, so that it can be shown instead. Only files that we wrote are replaced or removed.
"""

import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from anyclaude.config.own_files import replace_private
from anyclaude.errors import SetupError
from anyclaude.launch.service import MARKER, Service, State, Step, System, environment_of, environment_text

DEADLINE: Final = 90.0
"""Seconds for one command; one that stops a service waits until that has ended."""

_AGAIN: Final = 0.2  # seconds


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended. said: what it wrote, both streams."""

    code: int
    said: str


Run = Callable[[Sequence[str]], Ran]
"""Runs a command. Raises SetupError where there is no such program, or it does not end."""


def run_command(command: Sequence[str]) -> Ran:
    """A `Run`."""
    try:
        done = subprocess.run(  # noqa: S603, a command of the tables of systems
            command, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL, timeout=DEADLINE
        )
    except FileNotFoundError:
        raise SetupError(f"there is no {command[0]} here, so nothing can be installed as a service") from None
    except subprocess.TimeoutExpired:
        raise SetupError(f"`{' '.join(command)}` did not end in {DEADLINE:.0f} s; try it by hand") from None
    return Ran(done.returncode, done.stdout + done.stderr)


@dataclass(frozen=True, slots=True)
class Plan:
    """files: what stands in them, in the order of their writing; steps: what is run then."""

    files: Mapping[Path, str]
    steps: Sequence[Step]


def planned(service: Service, system: System, variables: Mapping[str, str]) -> Plan:
    """What an installation does. The unit comes last: it counts once it is whole."""
    files = {service.environment: environment_text(variables), system.unit(service): system.text(service)}
    return Plan(files, system.start(service))


def stored_variables(path: Path) -> dict[str, str]:
    """What a service is set with so far. Raises SetupError for a file that is no such list."""
    try:
        return environment_of(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SetupError(f"{path} cannot be read: {error}") from None


def changes(plan: Plan) -> list[Path]:
    """The files that stand there otherwise than planned, or not at all."""
    return [path for path, text in plan.files.items() if _text(path) != text]


def check_ours(paths: Iterable[Path]) -> None:
    """Raises SetupError for a file that somebody else wrote, and for a link."""
    for path in paths:
        text = _text(path)
        if path.is_symlink() or (text is not None and MARKER not in text):
            raise SetupError(f"{path} was not written by anyclaude; move it away, or have it replaced with --force")


def check_reached(system: System, run: Run) -> None:
    """Raises SetupError when the system does not answer: before anything is written."""
    ran = run(system.reach)
    if ran.code:
        raise SetupError(f"{system.name} does not answer for you ({_short(ran.said)}): {system.unreachable}")


def write(service: Service, plan: Plan, say: Callable[[str], None]) -> None:
    """The files, each for the owner alone. Raises SetupError."""
    for path in changes(plan):
        _folder(path.parent)
        replace_private(path, plan.files[path].encode())
        say(f"wrote {path}")
    if service.exports is not None and not service.exports.exists():
        replace_private(service.exports, b"")


def _folder(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SetupError(f"{path} cannot be made: {error.strerror}") from None


def do(steps: Sequence[Step], run: Run, say: Callable[[str], None]) -> None:
    """Run them. Raises SetupError with what a failed one said."""
    for step in steps:
        if step.until_it_fails:
            _wait_for_failure(step, run)
            continue
        ran, words = run(step.command), " ".join(step.command)
        if ran.code and not step.may_fail:
            raise SetupError(f"`{words}` failed ({_short(ran.said)}); see why, then try again")
        say(f"ran {words}")


def _wait_for_failure(step: Step, run: Run) -> None:
    until = time.monotonic() + step.until_it_fails
    while run(step.command).code == 0:
        if time.monotonic() > until:
            raise SetupError(f"the service did not end in {step.until_it_fails:.0f} s; try again")
        time.sleep(_AGAIN)


def state_of(service: Service, system: System, run: Run) -> State:
    """How it is."""
    ran = run(system.look(service))
    return State() if ran.code else system.read(ran.said)


def left_by(service: Service, system: System) -> list[Path]:
    """The files that there are of it."""
    all_of_it = (system.unit(service), service.environment, service.exports, system.log_file(service))
    return [path for path in all_of_it if path is not None and (path.exists() or path.is_symlink())]


def remove(service: Service, system: System, run: Run, say: Callable[[str], None]) -> None:
    """Stop it and take all its files away. Raises SetupError."""
    do(system.stop(service), run, say)
    for path in left_by(service, system):
        _unlink(path, say)
    do(system.forget(service), run, say)
    with suppress(OSError):
        service.environment.parent.rmdir()  # not empty: another service has files there


def _unlink(path: Path, say: Callable[[str], None]) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise SetupError(f"{path} cannot be removed: {error.strerror}") from None
    say(f"removed {path}")


def _text(path: Path) -> str | None:
    """None where there is no such file."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SetupError(f"{path} cannot be read: {error.strerror}") from None


def _short(said: str) -> str:
    """The last line of what a command wrote."""
    return (said.strip().splitlines() or ["it says nothing"])[-1].strip()
