"""`anyclaude service` from the arguments to the files, with programs in place of systemctl and launchctl."""

import stat
from collections.abc import Mapping
from pathlib import Path

import pytest

from anyclaude.cli import service as command
from anyclaude.cli.main import main
from anyclaude.launch.service import System, environment_of
from anyclaude.launch.service_launchd import LAUNCHD
from anyclaude.launch.service_systemd import SYSTEMD
from anyclaude.wire.exit_codes import ExitCode

STAND_IN = """\
#!/bin/sh
# notes what it is asked, and says how a service is as the file `state` has it
echo "$(basename "$0") $*" >>"$HOME/asked"
case "$*" in
print-disabled*) ;;
*show\\ *) cat "$HOME/state" 2>/dev/null || echo LoadState=not-found ;;
print\\ *) cat "$HOME/state" ;;
*bootstrap*|*restart*) cp "$HOME/runs" "$HOME/state" ;;
*bootout*|*disable*) rm -f "$HOME/state" ;;
-o\\ lstart=*) echo "Mon Nov 23 22:10:03 2026" ;;
*lines=*|*-n\\ 5*) echo "mlx_worker: MLX_MAX_BATCH is not usable" ;;
esac
"""
RUNS = {
    "systemd": "LoadState=loaded\nActiveState=active\nMainPID=77\nExecMainCode=0\nNRestarts=0\n",
    "launchd": "state = running\npid = 77\nruns = 1\n",
}
FAILED = {
    "systemd": "LoadState=loaded\nActiveState=failed\nMainPID=0\nExecMainCode=1\nExecMainStatus=2\nNRestarts=0\n",
    "launchd": "state = not running\nruns = 1\nlast exit code = 2\n",
}
SECRET = "a-secret-of-the-test"


@pytest.fixture(params=[SYSTEMD, LAUNCHD], ids=lambda system: system.name)
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> System:
    """A home directory, and a system that says it does what it is told."""
    chosen: System = request.param
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("systemctl", "journalctl", "launchctl", "ps", "tail"):
        (programs / name).write_text(STAND_IN)
        (programs / name).chmod(0o755)
    (tmp_path / "runs").write_text(RUNS[chosen.name])
    everything: Mapping[str, System] = dict.fromkeys(command.SYSTEMS, chosen)
    monkeypatch.setattr(command, "SYSTEMS", everything)
    monkeypatch.setattr(command, "check_lasting", lambda: None)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setenv("MLX_WORKER_TOKEN", SECRET)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return chosen


def written(home: Path) -> list[Path]:
    ours = {"asked", "state", "runs"}
    return sorted(
        path.relative_to(home)
        for path in home.rglob("*")
        if path.is_file() and path.name not in ours and "bin" not in path.parts
    )


def asked(home: Path) -> list[str]:
    path = home / "asked"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return lines


def test_a_service_comes_and_goes(system: System, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["service", "install", "worker", "--", "--port", "8099"]) == ExitCode.DONE
    unit, variables = (
        [path for path in written(tmp_path) if path.suffix != ".env"],
        tmp_path / ".anyclaude/services/worker.env",
    )
    assert len(unit) == 1
    assert SECRET not in (tmp_path / unit[0]).read_text()
    assert "8099" in (tmp_path / unit[0]).read_text()
    assert environment_of(variables.read_text())["MLX_WORKER_TOKEN"] == SECRET
    assert {stat.S_IMODE(path.stat().st_mode) for path in (variables, tmp_path / unit[0])} == {0o600}
    assert stat.S_IMODE(variables.parent.stat().st_mode) == 0o700
    assert any("restart" in line or "bootstrap" in line for line in asked(tmp_path))
    out = capsys.readouterr().out
    assert SECRET not in out
    assert f"wrote {variables}" in out
    assert main(["service", "remove", "worker"]) == ExitCode.DONE
    assert written(tmp_path) == []
    assert not variables.parent.exists()
    assert main(["service", "remove", "worker"]) == ExitCode.DONE
    assert capsys.readouterr().out.endswith("the worker is not installed\n")


def test_what_is_installed_already_is_left_to_run(
    system: System, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["service", "install", "worker"]) == 0
    asked(tmp_path)
    monkeypatch.delenv("MLX_WORKER_TOKEN")
    capsys.readouterr()
    assert main(["service", "install", "worker"]) == 0
    assert "is installed like this and runs; to start it anew" in capsys.readouterr().out
    assert not [line for line in asked(tmp_path) if "restart" in line or "bootstrap" in line]
    monkeypatch.setenv("MLX_MAX_QUEUE", "3")
    assert main(["service", "install", "worker"]) == 0
    kept = environment_of((tmp_path / ".anyclaude/services/worker.env").read_text())
    assert (kept["MLX_WORKER_TOKEN"], kept["MLX_MAX_QUEUE"]) == (SECRET, "3")
    assert [line for line in asked(tmp_path) if "restart" in line or "bootstrap" in line]


def test_a_dry_run_shows_all_but_secrets_and_does_nothing(
    system: System, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["service", "install", "proxy", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "MLX_WORKER_TOKEN='****'" in out
    assert "ANYCLAUDE_AUTH_TOKEN='****'" in out
    assert SECRET not in out
    assert "systemctl --user daemon-reload" in out or "launchctl bootstrap" in out
    assert (written(tmp_path), asked(tmp_path)) == ([], [])


def test_a_standing_proxy_keeps_its_address_and_token(system: System, tmp_path: Path) -> None:
    path = tmp_path / ".anyclaude/services/proxy.env"
    kept = []
    for _ in range(2):
        assert main(["service", "install", "proxy"]) == 0
        kept.append(environment_of(path.read_text()))
    assert kept[0] == kept[1]
    assert len(kept[0]["ANYCLAUDE_AUTH_TOKEN"]) >= 32
    assert int(kept[0]["ANYCLAUDE_PORT"]) >= 8788
    assert kept[0]["ANYCLAUDE_SKIP_SETUP_CHECK"] == "true"


def test_a_file_of_somebody_else_is_left_alone(
    system: System, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["service", "install", "worker"]) == 0
    unit = next(tmp_path / path for path in written(tmp_path) if path.suffix != ".env")
    unit.write_text("theirs")
    for words in (["install", "worker"], ["remove", "worker"]):
        capsys.readouterr()
        assert main(["service", *words]) == ExitCode.NOT_READY
        assert capsys.readouterr().err.startswith(f"anyclaude: {unit} was not written by anyclaude")
        assert unit.read_text() == "theirs"
    assert main(["service", "install", "worker", "--force"]) == 0
    assert unit.read_text() != "theirs"


def test_status_says_how_it_is_and_what_to_do(
    system: System, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["service", "status"]) == ExitCode.NO
    assert "  next  anyclaude service install worker\n" in capsys.readouterr().out
    main(["service", "install", "proxy"])
    capsys.readouterr()
    assert main(["service", "status"]) == ExitCode.DONE
    out = capsys.readouterr().out
    assert out.startswith("the proxy runs since Mon Nov 23 22:10:03 2026, process 77, start 1\n")
    assert f"  next  . {tmp_path}/.anyclaude/services/proxy.exports && claude\n" in out
    (tmp_path / "state").write_text(FAILED[system.name])
    assert main(["service", "status", "proxy"]) == ExitCode.NO
    out = capsys.readouterr().out
    assert "the proxy does not run: it ended with exit code 2, a setting or this machine is not right yet\n" in out
    assert "  log   mlx_worker: MLX_MAX_BATCH is not usable\n" in out
    assert "  next  mend what the log names, in " in out


@pytest.mark.parametrize("flags", [["--model", "models/q"], ["--model=models/q"], ["--model=./models"]])
def test_a_path_from_this_directory_is_none_for_a_service(
    flags: list[str],
    system: System,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "models/q").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert main(["service", "install", "worker", "--", *flags]) == ExitCode.NOT_READY
    assert f"give {tmp_path}/models" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["install", "proxy", "--", "-p", "hi"], "a standing proxy takes the flags of a launch, not '-p'"),
        (["install", "proxy", "--", "--mode=none"], "--mode must be one of"),
        (["status", "--", "x"], "only `install` takes flags of the program itself"),
        (["install"], "the following arguments are required: name"),
    ],
)
def test_what_cannot_be_meant_is_said(
    words: list[str], told: str, system: System, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["service", *words]) == ExitCode.NOT_READY
    assert told in capsys.readouterr().err
    assert written(tmp_path) == []


def test_where_there_is_no_such_system_it_is_said_before_anything_is_written(
    system: System, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bin" / system.reach[0]).write_text("#!/bin/sh\necho Failed to connect to bus >&2; exit 1\n")
    assert main(["service", "install", "worker"]) == ExitCode.NOT_READY
    err = capsys.readouterr().err
    assert err.startswith(f"anyclaude: {system.name} does not answer for you (Failed to connect to bus): log in ")
    assert written(tmp_path) == []


def test_the_log_is_shown_as_the_system_has_it(system: System, tmp_path: Path) -> None:
    assert main(["service", "logs", "worker", "-n", "7"]) == ExitCode.DONE
    assert any("=7" in line or "-n 7" in line for line in asked(tmp_path))
