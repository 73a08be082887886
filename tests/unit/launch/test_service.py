"""What a service is, in the words of both systems: units, commands, and how the systems tell of it."""

import os
import plistlib
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from anyclaude.errors import SetupError
from anyclaude.launch import service as about_services
from anyclaude.launch import service_launchd
from anyclaude.launch.service import (
    PYTHON,
    Service,
    State,
    Step,
    check_lasting,
    environment_of,
    environment_text,
    inherited,
    service_of,
)
from anyclaude.launch.service_launchd import LAUNCHD
from anyclaude.launch.service_systemd import SYSTEMD
from anyclaude.launch.service_work import Ran, do
from anyclaude.wire.exit_codes import ExitCode

SECRET = 'it\'s "$HOME" %h\\n; `id` \u00e9'
HOME = Path("/Users/A Person")


def unit(service: Service) -> dict[str, str]:
    lines = [line for line in SYSTEMD.text(service).splitlines() if "=" in line and not line.startswith("#")]
    return {key: value for key, _, value in (line.partition("=") for line in lines)}


# What it is set with


def test_a_service_takes_what_sets_it_and_nothing_else() -> None:
    environ = {
        "MLX_WORKER_TOKEN": "t",
        "MLX_CLUSTER_KEY": "k",
        "OPENROUTER_API_KEY": "o",
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:1",
        "HTTPS_PROXY": "p",
        "HF_HOME": "h",
        "MLX_PORT": " ",
        "PATH": "/bin",
        "AWS_SECRET": "s",
    }
    assert {*inherited("worker", environ)} == {"MLX_WORKER_TOKEN", "HTTPS_PROXY", "HF_HOME"}
    assert {*inherited("proxy", environ)} == {*inherited("worker", environ), "MLX_CLUSTER_KEY", "OPENROUTER_API_KEY"}


@pytest.mark.parametrize("value", ["plain", SECRET, "two\nlines", "'", '[{"id": "a b"}]', "#no comment", ""])
def test_what_is_set_comes_back_and_a_shell_reads_the_same(value: str, tmp_path: Path) -> None:
    text = environment_text({"A": "1", "TOKEN": value})
    assert environment_of(text) == {"A": "1", "TOKEN": value}
    (tmp_path / "env").write_text(text, encoding="utf-8")
    read = subprocess.run(
        ["/bin/sh", "-c", 'set -a; . "$0"; printenv TOKEN', str(tmp_path / "env")], capture_output=True, check=True
    )
    assert read.stdout.decode() == f"{value}\n"


def test_a_value_with_spaces_wants_quotes() -> None:
    with pytest.raises(ValueError, match="`b` is no NAME=VALUE"):
        environment_of("A=a b\n")


def test_an_installation_that_goes_away_is_none_for_a_service(monkeypatch: pytest.MonkeyPatch) -> None:
    check_lasting()
    monkeypatch.setattr("sys.executable", "/home/a/.cache/uv/archive-v0/x/bin/python")
    with pytest.raises(SetupError, match="install anyclaude for good first"):
        check_lasting()


# systemd


def test_systemd_starts_our_own_python_and_no_secret_is_in_the_unit() -> None:
    service = service_of("worker", HOME, ["--model", 'a %h $x "b"'], {"MLX_WORKER_TOKEN": SECRET})
    assert unit(service)["ExecStart"].startswith(f'"{PYTHON[0]}" "-P" "-m" "mlx_worker" "--model"')
    assert unit(service)["ExecStart"].endswith('"a %%h $$x \\"b\\""')
    assert unit(service)["EnvironmentFile"] == f"{HOME}/.anyclaude/services/worker.env"
    assert SECRET not in SYSTEMD.text(service)


def test_systemd_starts_again_what_failed_but_not_what_is_set_wrong() -> None:
    told = unit(service_of("worker", HOME))
    assert (told["Restart"], told["RestartPreventExitStatus"]) == ("on-failure", str(int(ExitCode.NOT_READY)))
    assert told["SuccessExitStatus"] == "143"
    assert (told["RestartSec"], told["TimeoutStopSec"]) == ("30", "30")


@pytest.mark.parametrize(("drain", "seconds"), [("60", "75"), ("1", "30"), ("soon", "30")])
def test_a_worker_may_end_its_answers(drain: str, seconds: str) -> None:
    assert unit(service_of("worker", HOME, [], {"MLX_DRAIN_SECONDS": drain}))["TimeoutStopSec"] == seconds


def test_only_the_proxys_output_goes_to_a_file_of_ones_own() -> None:
    assert "StandardOutput" not in unit(service_of("worker", HOME))
    proxy = unit(service_of("proxy", HOME))
    assert proxy["StandardOutput"] == f"truncate:{HOME}/.anyclaude/services/proxy.exports"
    assert proxy["UMask"] == "0077"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("name", about_services.NAMES)
def test_systemd_itself_finds_nothing_wrong(name: about_services.Name, tmp_path: Path) -> None:
    path = tmp_path / f"anyclaude-{name}.service"
    path.write_text(SYSTEMD.text(service_of(name, tmp_path, ["--model", "a b"])), encoding="utf-8")
    command = ["systemd-analyze", "verify", "--user", "--man=no", str(path)]
    environ = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environ, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


SHOWN = (
    "MainPID={pid}\nNRestarts=2\nExecMainCode={how}\nExecMainStatus={status}\nLoadState={load}\nActiveState={active}\n"
)


@pytest.mark.parametrize(
    ("pid", "how", "status", "load", "active", "expected"),
    [
        (0, 0, 0, "not-found", "inactive", State(starts=3)),
        (7, 0, 0, "loaded", "active", State(known=True, running=True, pid=7, starts=3)),
        (0, 1, 2, "loaded", "failed", State(known=True, code=2, starts=3)),
        (0, 2, 9, "loaded", "failed", State(known=True, signal="9", starts=3)),
        (0, 0, 0, "loaded", "inactive", State(known=True, starts=3)),
    ],
)
def test_what_systemd_says(pid: int, how: int, status: int, load: str, active: str, expected: State) -> None:
    assert SYSTEMD.read(SHOWN.format(pid=pid, how=how, status=status, load=load, active=active)) == expected


def test_systemd_tells_of_a_service_that_waits() -> None:
    waits = SHOWN.format(pid=0, how=2, status=9, load="loaded", active="activating") + "SubState=auto-restart\n"
    assert SYSTEMD.read(waits).waiting


# launchd


def agent(service: Service) -> dict[str, object]:
    told: dict[str, object] = plistlib.loads(LAUNCHD.text(service).encode())
    return told


def test_launchd_gets_a_property_list_that_starts_again_what_failed() -> None:
    service = service_of("proxy", HOME, ["--mode=claude"])
    told = agent(service)
    assert told["Label"] == "local.anyclaude.proxy"
    assert told["KeepAlive"] == {"SuccessfulExit": False}
    assert (told["RunAtLoad"], told["ThrottleInterval"], told["ExitTimeOut"]) == (True, 10, 30)
    assert told["Umask"] == 0o077
    assert told["ProcessType"] == "Interactive"
    assert told["StandardOutPath"] == f"{HOME}/.anyclaude/services/proxy.exports"
    assert told["StandardErrorPath"] == f"{HOME}/Library/Logs/anyclaude-proxy.log"
    assert "EnvironmentVariables" not in told
    assert LAUNCHD.unit(service) == HOME / "Library/LaunchAgents/local.anyclaude.proxy.plist"


def begun(home: Path, command: tuple[str, ...]) -> str:
    """What the program prints that launchd would start."""
    told = agent(Service("worker", "", home, command, 30))
    words = told["ProgramArguments"]
    assert isinstance(words, list)
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=30).stdout


def test_launchds_shell_reads_the_variables_and_becomes_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "a person's"
    for folder in (".anyclaude/services", "Library/Logs"):
        (home / folder).mkdir(parents=True)
    (home / ".anyclaude/services/worker.env").write_text(environment_text({"TOKEN": SECRET}), encoding="utf-8")
    log = home / "Library/Logs/anyclaude-worker.log"
    log.write_text("0123456789")
    assert begun(home, ("/bin/sh", "-c", 'printf "%s|" "$TOKEN" "$@"', "sh", "a b", "$c")) == f"{SECRET}|a b|$c|"
    assert log.read_text() == "0123456789"
    monkeypatch.setattr(service_launchd, "_BEGIN", service_launchd._BEGIN.replace("10000000", "10"))
    begun(home, ("/bin/sh", "-c", ":"))
    assert log.read_text() == ""


PRINTED = """\
gui/501/local.anyclaude.worker = {{
	active count = 1
	path = /Users/a/Library/LaunchAgents/local.anyclaude.worker.plist
	state = {state}
	runs = 4
{more}
	spawn type = interactive (4)
	endpoints = {{
		state = active
	}}
}}
"""


@pytest.mark.parametrize(
    ("state", "more", "expected"),
    [
        ("running", "\tpid = 77\n\tlast exit code = 2", State(known=True, running=True, pid=77, starts=4)),
        ("not running", "\tlast exit code = 0", State(known=True, code=0, starts=4)),
        ("not running", "\tlast exit code = (never exited)", State(known=True, starts=4)),
        ("spawn scheduled", "\tlast exit code = 70: EX_SOFTWARE", State(known=True, waiting=True, code=70, starts=4)),
        ("not running", "\tlast terminating signal = Killed: 9", State(known=True, signal="Killed: 9", starts=4)),
    ],
)
def test_what_launchd_says(state: str, more: str, expected: State) -> None:
    assert LAUNCHD.read(PRINTED.format(state=state, more=more)) == expected


def test_what_launchd_does_not_say_is_not_known() -> None:
    assert LAUNCHD.read("another form\n") == State()


# Commands


class Played:
    """Commands that end as they are told to; those that are not named end well."""

    def __init__(self, **codes: Sequence[int]) -> None:
        self.ran: list[str] = []
        self._codes = {name: [*ends] for name, ends in codes.items()}

    def __call__(self, command: Sequence[str]) -> Ran:
        self.ran.append(" ".join(command))
        left = self._codes.get(command[1].lstrip("-"), [0])
        return Ran(left.pop(0) if len(left) > 1 else left[0], "first\nwhy it failed\n")


def test_launchd_forgets_a_service_before_it_starts_it_anew() -> None:
    run = Played(bootout=[0], print=[0, 0, 113])
    told: list[str] = []
    do(LAUNCHD.start(service_of("worker", HOME)), run, told.append)
    assert [line.split()[1] for line in run.ran] == ["bootout", "print", "print", "print", "enable", "bootstrap"]
    assert (
        run.ran[-1] == f"launchctl bootstrap gui/{os.getuid()} {HOME}/Library/LaunchAgents/local.anyclaude.worker.plist"
    )
    assert [line.split()[2] for line in told] == ["bootout", "enable", "bootstrap"]


def test_what_does_not_end_is_not_waited_for_for_ever() -> None:
    with pytest.raises(SetupError, match="did not end in 0 s"):
        do([Step(("launchctl", "print"), until_it_fails=1e-9)], Played(), lambda line: None)


def test_a_command_that_fails_is_told_with_its_last_words() -> None:
    with pytest.raises(SetupError, match=r"`systemctl --user daemon-reload` failed \(why it failed\)"):
        do(SYSTEMD.start(service_of("worker", HOME)), Played(user=[1]), lambda line: None)
