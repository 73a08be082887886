"""What `anyclaude service` says of a service: how it is, why it ended, and what to do next."""

from collections.abc import Iterator, Mapping
from shlex import quote
from signal import SIGTERM
from typing import Final

from anyclaude.cli.show_config import MASK
from anyclaude.launch.service import Service, State, System, environment_of, environment_text
from anyclaude.wire.exit_codes import ExitCode, by_signal

_MEANT: Final[Mapping[int, str]] = {
    ExitCode.NOT_READY: "a setting or this machine is not right yet",
    ExitCode.FAULT: "a fault of ours, or the engine gave up",
    ExitCode.TRY_AGAIN: "what it needs was not there",
    by_signal(SIGTERM): "it was told to end",
}


def sentence(service: Service, state: State, since: str | None) -> str:
    """How it is. since: when its process began, in words."""
    if not state.known:
        return f"the {service.name} is not installed"
    if state.running:
        return f"the {service.name} runs since {since or 'some time'}, process {state.pid}, start {state.starts or 1}"
    again = "; it is started again in a moment" if state.waiting else ""
    return f"the {service.name} does not run: {_ended(state)}{again}"


def _ended(state: State) -> str:
    if state.signal is not None:
        return f"it was ended by signal {state.signal}"
    if state.code is None:
        return "it was stopped, or has not been started yet"
    meant = _MEANT.get(state.code)
    return f"it ended with exit code {state.code}" + (f", {meant}" if meant else "")


def next_step(service: Service, system: System, state: State) -> str | None:
    """What to do about it, None for nothing."""
    if not state.known:
        return f"anyclaude service install {service.name}"
    if state.running:
        return f". {quote(str(service.exports))} && claude" if service.exports else None
    if state.code == ExitCode.NOT_READY:
        return f"mend what the log names, in {service.environment} or the settings; then {system.again(service)}"
    if state.signal is None and state.code in (None, ExitCode.DONE, by_signal(SIGTERM)):
        return f"to start it: {system.again(service)}"
    return f"see why: anyclaude service logs {service.name}; to start it now: {system.again(service)}"


def installed(service: Service, system: System, variables: Mapping[str, str]) -> Iterator[str]:
    """After an installation."""
    yield f"it is set with {', '.join(sorted(variables)) or 'nothing but its defaults'}"
    yield f"the {service.name} is started now and at each login; how it is: anyclaude service status {service.name}"
    if service.exports:
        yield f"to use it: . {quote(str(service.exports))} && claude"
    if system.name == "systemd":
        yield "it ends when you log out for the last time; `loginctl enable-linger` keeps it"


def masked(text: str) -> str:
    """A file of variables without its values: any may be a secret."""
    return environment_text(dict.fromkeys(environment_of(text), MASK))
