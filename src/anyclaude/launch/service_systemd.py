"""A service in the words of `systemd --user` (Linux).

The unit's words: systemd.unit(5), systemd.service(5), systemd.exec(5). Of the hardening there stands only what the
manager of a user may do without a namespace of its own: limits by seccomp, which are inherited and cannot be undone.
"""

import os
from pathlib import Path
from signal import SIGTERM
from typing import Final

from anyclaude.launch.service import MARKER, Service, State, Step, System
from anyclaude.wire.exit_codes import ExitCode, by_signal

_KILLED: Final = ("2", "3")  # CLD_KILLED, CLD_DUMPED of waitid(2)
_CTL: Final = ("systemctl", "--user")
_ASKED: Final = "LoadState,ActiveState,SubState,MainPID,ExecMainCode,ExecMainStatus,NRestarts"

_UNIT: Final = """\
# {marker}, which writes it anew with `install` and removes it with `remove`.
[Unit]
Description={about}

[Service]
Type=exec
ExecStart={command}
EnvironmentFile={environment}
WorkingDirectory=~
{output}Restart=on-failure
RestartSec={pause}
# {not_ready}: what is set is wrong, and another start would find it so again
RestartPreventExitStatus={not_ready:d}
SuccessExitStatus={ended:d}
TimeoutStopSec={stopping:.0f}
KillMode=mixed
UMask=0077
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictNamespaces=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
SystemCallArchitectures=native

[Install]
WantedBy=default.target
"""


def unit_text(service: Service) -> str:
    """The unit. What the proxy prints, its token, goes to a file for the owner alone and not to the journal."""
    return _UNIT.format(
        marker=MARKER,
        about=service.about,
        command=" ".join(_quoted(word) for word in service.command),
        environment=_path(service.environment),
        output=f"StandardOutput=truncate:{_path(service.exports)}\n" if service.exports else "",
        pause=service.pause,
        not_ready=ExitCode.NOT_READY,
        ended=by_signal(SIGTERM),
        stopping=service.stopping,
    )


def _quoted(word: str) -> str:
    """As systemd reads it: no variables, no specifiers."""
    for sign, meant in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("$", "$$")):
        word = word.replace(sign, meant)
    return f'"{word}"'


def _path(path: Path) -> str:
    return str(path).replace("%", "%%")


def _name(service: Service) -> str:
    return f"anyclaude-{service.name}.service"


def _unit(service: Service) -> Path:
    configured = os.environ.get("XDG_CONFIG_HOME", "")
    base = Path(configured) if configured.startswith("/") else service.home / ".config"
    return base / "systemd" / "user" / _name(service)


def _start(service: Service) -> list[Step]:
    steps = ("daemon-reload",), ("enable", _name(service)), ("restart", _name(service))
    return [Step((*_CTL, *words)) for words in steps]


def _stop(service: Service) -> list[Step]:
    return [Step((*_CTL, "disable", "--now", _name(service)), may_fail=True)]


def _forget(service: Service) -> list[Step]:
    return [Step((*_CTL, "daemon-reload")), Step((*_CTL, "reset-failed", _name(service)), may_fail=True)]


def _look(service: Service) -> tuple[str, ...]:
    return (*_CTL, "show", _name(service), f"--property={_ASKED}")


def read(shown: str) -> State:
    """What `systemctl show` says, a property a line."""
    told = dict(line.partition("=")[::2] for line in shown.splitlines())
    running = told.get("ActiveState") == "active"
    code, pid = told.get("ExecMainStatus", ""), int(told.get("MainPID") or 0)
    killed = told.get("ExecMainCode") in _KILLED
    ended = not running and told.get("ExecMainCode", "0") != "0"
    return State(
        known=told.get("LoadState") == "loaded",
        running=running,
        waiting=told.get("SubState") == "auto-restart",
        pid=pid or None,
        code=int(code) if ended and not killed and code.isdigit() else None,
        signal=code if ended and killed else None,
        starts=int(told.get("NRestarts") or 0) + 1,
    )


def _log(service: Service, lines: int, follow: bool) -> tuple[str, ...]:
    shown = ("journalctl", "--quiet", f"--user-unit={_name(service)}", "--output=short-iso", f"--lines={lines}")
    return (*shown, "--follow" if follow else "--no-pager")


def _no_file(service: Service) -> None:
    return None


SYSTEMD: Final = System(
    name="systemd",
    reach=(*_CTL, "show-environment"),
    unreachable="log in as yourself rather than through sudo or su, or have root run `loginctl enable-linger` with "
    "your name and set XDG_RUNTIME_DIR=/run/user/UID",
    unit=_unit,
    text=unit_text,
    start=_start,
    stop=_stop,
    forget=_forget,
    look=_look,
    read=read,
    log=_log,
    log_file=_no_file,
    again=lambda service: f"systemctl --user restart {_name(service)}",
)
