"""`anyclaude service` with the real systemd: a manager of its own, in a home directory of its own, for one minute.

    sudo python scripts/test/services.py

A proxy is installed, asked, killed, set wrong, mended and removed, and each time it is looked at what came of it. Root
is needed where the machine was not started by systemd, as in a container: `systemd --user` wants a directory of its.
The exit code is 1 when something is otherwise than expected.
"""

import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

ANYCLAUDE: Final = (sys.executable, "-m", "anyclaude.cli.main", "service")
SYSTEMD: Final = "/lib/systemd/systemd"
BOOTED: Final = Path("/run/systemd/system")  # sd_booted(3)
DEADLINE: Final = 40.0  # seconds; a failed proxy is started again after ten


def main() -> int:
    with tempfile.TemporaryDirectory() as folder, manager(Path(folder)) as environ:
        wrong = [line for line in tried(Path(folder), environ) if not line.startswith("ok")]
    return 1 if wrong else 0


@contextmanager
def manager(home: Path) -> Iterator[dict[str, str]]:
    """`systemd --user`, and the environment in which its programs find it."""
    environ = {"HOME": str(home), "XDG_RUNTIME_DIR": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    made = not BOOTED.exists()
    BOOTED.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen([SYSTEMD, "--user"], env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        if not came(lambda: not ran(["systemctl", "--user", "show-environment"], environ).returncode):
            sys.exit("systemd --user does not come up here")
        yield environ
    finally:
        process.terminate()
        process.wait(DEADLINE)
        if made:
            BOOTED.rmdir()


def tried(home: Path, environ: dict[str, str]) -> Iterator[str]:
    """A line for each thing that was looked at."""
    folder = home / ".anyclaude/services"
    variables, exports = folder / "proxy.env", folder / "proxy.exports"

    def service(*words: str) -> "subprocess.CompletedProcess[str]":
        return ran([*ANYCLAUDE, *words], environ)

    def says(words: str) -> bool:
        return came(lambda: words in service("status", "proxy").stdout)

    def set_to(text: str) -> None:
        variables.write_text(text)
        ran(["systemctl", "--user", "restart", "anyclaude-proxy"], environ)

    yield told("it is installed", service("install", "proxy").returncode == 0)
    yield told("it runs", says("the proxy runs since"))
    yield told("it answers whoever has read its lines", came(lambda: answers(exports)))
    yield told("installed again it is left to run", "runs; to start it anew" in service("install", "proxy").stdout)
    ran(["systemctl", "--user", "kill", "--signal=KILL", "anyclaude-proxy"], environ)
    yield told("killed, it waits to be started again", says("ended by signal 9; it is started again"))
    yield told("and is", says(", start 2"))
    right = variables.read_text()
    set_to(right.replace("ANYCLAUDE_PORT=", "ANYCLAUDE_PORT=9"))
    yield told("set wrong, it ends with 2 and is not started again", says("this machine is not right yet\n"))
    set_to(right)
    yield told("mended, it runs", says("the proxy runs since"))
    yield told("it is removed", service("remove", "proxy").returncode == 0)
    left = [path for part in (".config", ".anyclaude/services") for path in (home / part).rglob("*") if path.is_file()]
    yield told(f"nothing is left of it {[*map(str, left)] or ''}", not left)


def answers(exports: Path) -> bool:
    pairs = [line.removeprefix("export ").partition("=") for line in exports.read_text().splitlines()]
    variables = {name: value for name, _, value in pairs}
    try:
        asked = urllib.request.Request(
            f"{variables['ANTHROPIC_BASE_URL']}/anyclaude/status",
            headers={"Authorization": f"Bearer {variables['ANTHROPIC_AUTH_TOKEN']}"},
        )
        with urllib.request.urlopen(asked, timeout=5) as answer:
            return bool(answer.status == 200)
    except (KeyError, OSError):
        return False


def told(what: str, is_so: bool) -> str:
    line = f"{'ok   ' if is_so else 'WRONG'} {what}"
    print(line, flush=True)
    return line


def came(true: Callable[[], bool]) -> bool:
    """Whether it came to be so in time."""
    until = time.monotonic() + DEADLINE
    while not true():
        if time.monotonic() > until:
            return False
        time.sleep(0.3)
    return True


def ran(command: list[str], environ: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120)


if __name__ == "__main__":
    sys.exit(main())
