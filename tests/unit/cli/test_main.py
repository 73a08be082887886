"""Help and version are quick: what is not needed for them is not loaded."""

import subprocess
import sys

import pytest

from anyclaude import __version__
from anyclaude.cli.main import main

HEAVY = ("pydantic", "aiohttp", "httpx", "asyncio", "uvloop", "orjson", "logging")


@pytest.mark.parametrize("flag", ["--version", "--help"])
def test_nothing_heavy_is_imported(flag: str) -> None:
    code = (
        "import sys; from anyclaude.cli.main import main; main(sys.argv[1:]);"
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules]; assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code, flag], check=True, timeout=30, stdout=subprocess.DEVNULL)


def test_the_version_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"anyclaude {__version__}\n"


def test_a_wrong_argument_exits_with_two(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--mode"]) == 2
    assert capsys.readouterr().err == "anyclaude: --mode needs a value, as in --mode=lmstudio\n"
