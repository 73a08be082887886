"""Help and version are quick: what is not needed for them is not loaded."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from anyclaude import __version__
from anyclaude.cli.main import main

HEAVY = (
    "pydantic",
    "aiohttp",
    "httpx",
    "asyncio",
    "uvloop",
    "orjson",
    "logging",
    "argparse",
    "dataclasses",
    "subprocess",
)

MOST_MODULES = 50
"""Beyond what Python loads by itself; a launch loads some thousand."""


@pytest.mark.parametrize("flag", ["--version", "--help"])
def test_nothing_heavy_is_imported(flag: str) -> None:
    code = (
        "import sys; before = set(sys.modules); from anyclaude.cli.main import main; main(sys.argv[1:]);"
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules]; assert not loaded, loaded;"
        f"more = sorted(set(sys.modules) - before); assert len(more) <= {MOST_MODULES}, more"
    )
    subprocess.run([sys.executable, "-I", "-c", code, flag], check=True, timeout=30, stdout=subprocess.DEVNULL)


def test_a_proxy_loads_nothing_of_what_it_will_not_need() -> None:
    """The library that reads PDFs takes 14 MB, and belongs into the child process that reads them. A backend is loaded
    when it is opened.
    """
    unneeded = {"pypdf", "rich", "zeroconf", "cryptography", "anyclaude.backends.mlx_cluster"}
    code = f"import sys, anyclaude.cli.run; loaded = {unneeded!r} & sys.modules.keys(); assert not loaded, loaded"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


def test_the_version_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"anyclaude {__version__}\n"


@pytest.mark.parametrize("words", ["--version", "--help", "--show-config", "--config-schema", "trace list"])
def test_who_stops_reading_and_a_full_disk(words: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "anyclaude.cli.main", *words.split()]
    for target, expected, told in (("| true", 0, ""), ("> /dev/full", 2, "cannot write to standard output: ")):
        if "full" in target and not Path("/dev/full").exists():
            continue  # macOS has none
        shell = f"set -o pipefail; {shlex.join(command)} {target}"
        done = subprocess.run(
            ["bash", "-c", shell], capture_output=True, text=True, timeout=30, env={**os.environ, "HOME": str(tmp_path)}
        )
        assert done.stderr.removeprefix("anyclaude: ").startswith(told)
        assert "Exception" not in done.stderr
        assert "Traceback" not in done.stderr
        assert done.returncode == expected


def test_a_wrong_argument_exits_with_two(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--mode"]) == 2
    assert capsys.readouterr().err == "anyclaude: --mode needs a value, as in --mode=lmstudio\n"
