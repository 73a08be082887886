"""A service in the words of launchd (macOS): a LaunchAgent, started when the person logs in.

The keys: launchd.plist(5); the commands: launchctl(1). launchd knows no file of variables, so a shell reads it before
it becomes the program. It cannot tell exit codes apart either: after any failure it starts again, in `pause` seconds.
"""

import os
import plistlib
import re
from pathlib import Path
from typing import Final

from anyclaude.launch.service import MARKER, Service, State, Step, System

LONGEST_LOG: Final = 10_000_000
"""Bytes. A log that is longer at a start is begun anew, for launchd bounds none."""

_BEGIN: Final = f'[ "$(wc -c <"$0")" -lt {LONGEST_LOG} ] || : >"$0"; set -a; . "$1"; shift; exec "$@"'
_HEAD_END: Final = '<plist version="1.0">'
_SAID: Final = re.compile(r"^\s*(state|pid|runs|last exit code|last terminating signal) = (.+)$", re.MULTILINE)
_GONE: Final = 5.0
"""Seconds beyond those that a service gets to end in, until launchd has forgotten it."""


def agent_text(service: Service) -> str:
    """The property list. What the proxy prints, its token, goes to a file for the owner alone and not to the log."""
    log = str(_log_file(service))
    agent = {
        "Label": _label(service),
        "ProgramArguments": ["/bin/sh", "-c", _BEGIN, log, str(service.environment), *service.command],
        "WorkingDirectory": str(service.home),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": service.pause,
        "ExitTimeOut": int(service.stopping),
        "ProcessType": "Interactive",  # what is left out, or Background, gets less of the processor
        "StandardErrorPath": log,
        "StandardOutPath": str(service.exports or log),
        "Umask": 0o077,
    }
    text = plistlib.dumps(agent, sort_keys=False).decode()
    return text.replace(_HEAD_END, f"<!-- {MARKER} -->\n{_HEAD_END}", 1)


def _label(service: Service) -> str:
    return f"local.anyclaude.{service.name}"


def _target(service: Service) -> str:
    return f"gui/{os.getuid()}/{_label(service)}"


def _agent(service: Service) -> Path:
    return service.home / "Library" / "LaunchAgents" / f"{_label(service)}.plist"


def _log_file(service: Service) -> Path:
    return service.home / "Library" / "Logs" / f"anyclaude-{service.name}.log"


def _start(service: Service) -> list[Step]:
    return [
        *_stop(service),
        Step(("launchctl", "enable", _target(service))),
        Step(("launchctl", "bootstrap", f"gui/{os.getuid()}", str(_agent(service)))),
    ]


def _stop(service: Service) -> list[Step]:
    """`bootout` may return before the service has ended, and until then it cannot be started anew."""
    return [
        Step(("launchctl", "bootout", _target(service)), may_fail=True),
        Step(_look(service), may_fail=True, until_it_fails=service.stopping + _GONE),
    ]


def _forget(service: Service) -> list[Step]:
    return []


def _look(service: Service) -> tuple[str, ...]:
    return ("launchctl", "print", _target(service))


def read(shown: str) -> State:
    """What `launchctl print` says. Its form is no promise of Apple's, so what is missing is not known."""
    told: dict[str, str] = {}
    for name, value in _SAID.findall(shown):
        told.setdefault(name, value.strip())
    running = told.get("state") == "running"
    return State(
        known=bool(told),
        running=running,
        waiting=told.get("state") == "spawn scheduled",
        pid=_number(told.get("pid")),
        code=None if running else _number(told.get("last exit code")),
        signal=None if running else told.get("last terminating signal"),
        starts=_number(told.get("runs")),
    )


def _number(text: str | None) -> int | None:
    found = re.match(r"\d+", text or "")
    return int(found[0]) if found else None


def _log(service: Service, lines: int, follow: bool) -> tuple[str, ...]:
    return ("tail", *(["-F"] if follow else []), "-n", str(lines), str(_log_file(service)))


LAUNCHD: Final = System(
    name="launchd",
    reach=("launchctl", "print-disabled", f"gui/{os.getuid()}"),
    unreachable="log in at the screen of this Mac once, then try again",
    unit=_agent,
    text=agent_text,
    start=_start,
    stop=_stop,
    forget=_forget,
    look=_look,
    read=read,
    log=_log,
    log_file=_log_file,
    again=lambda service: f"launchctl kickstart -k {_target(service)}",
)
