"""Install a built wheel as people do, each time into an empty place, and use what comes of it.

    python scripts/release/try_install.py dist/*.whl [--ways pip,extras,pipx,uv] [--python python3.12]

pip: the proxy alone in a fresh environment. extras: with what the worker and the pages need. pipx, uv: `pipx install`,
`uv tool install`; where one is not on PATH it is put into a temporary environment first. Packages come from where pip
is set to get them. One line for each way, `ok` or what went wrong; the exit code is 1 when one does not work.
"""

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.support.installed import LACKING, Installed, behind_extras

DEADLINE: Final = 900.0  # seconds for an installation; the worker's packages are large


def with_pip(wheel: Path, folder: Path, python: str, extra: str = "") -> Path:
    _run([python, "-m", "venv", str(folder / "venv")], folder)
    _run([str(folder / "venv/bin/python"), "-m", "pip", "install", "--quiet", f"{wheel}{extra}"], folder)
    return folder / "venv/bin"


def with_extras(wheel: Path, folder: Path, python: str) -> Path:
    return with_pip(wheel, folder, python, "[ui,worker]")


def with_pipx(wheel: Path, folder: Path, python: str) -> Path:
    places = {name: str(folder / name) for name in ("PIPX_HOME", "PIPX_BIN_DIR", "PIPX_MAN_DIR")}
    _run([_tool("pipx", folder), "install", "--quiet", "--python", _path_of(python), str(wheel)], folder, places)
    return folder / "PIPX_BIN_DIR"


def with_uv(wheel: Path, folder: Path, python: str) -> Path:
    places = {name: str(folder / name) for name in ("UV_TOOL_DIR", "UV_TOOL_BIN_DIR", "UV_CACHE_DIR")}
    _run([_tool("uv", folder), "tool", "install", "--quiet", "--python", _path_of(python), str(wheel)], folder, places)
    return folder / "UV_TOOL_BIN_DIR"


WAYS: Final[Mapping[str, Callable[[Path, Path, str], Path]]] = {
    "pip": with_pip,
    "extras": with_extras,
    "pipx": with_pipx,
    "uv": with_uv,
}


def _tool(name: str, folder: Path) -> str:
    if found := shutil.which(name):
        return found
    _run([sys.executable, "-m", "venv", str(folder / "tool")], folder)
    _run([str(folder / "tool/bin/python"), "-m", "pip", "install", "--quiet", name], folder)
    return str(folder / "tool/bin" / name)


def _path_of(python: str) -> str:
    return shutil.which(python) or python


def _run(command: list[str], folder: Path, environ: Mapping[str, str] | None = None) -> None:
    """Raises RuntimeError with what it said last."""
    told = {**os.environ, "HOME": str(folder), **(environ or {})}
    ended = subprocess.run(command, cwd=folder, env=told, capture_output=True, text=True, timeout=DEADLINE)
    if ended.returncode:
        raise RuntimeError(
            f"{' '.join(command)} ended with {ended.returncode}: {(ended.stderr or ended.stdout)[-600:]}"
        )


def used(way: str, installed: Installed, version: str) -> None:
    """Raises AssertionError where it does not do what was promised."""
    assert installed.run("anyclaude", "--version").stdout == f"anyclaude {version}\n"
    assert installed.run("anyclaude", "--help").stdout.startswith("Usage: anyclaude")
    assert "claude" in installed.run("anyclaude", "--check-setup").stdout
    assert asyncio.run(installed.answers()) == "Installed and well."
    failing = installed.failing_modules()
    if way == "extras":
        assert not failing, failing
        assert installed.run("mlx_worker", "--help").stdout.startswith("usage: mlx_worker")
    else:
        assert failing == behind_extras(failing), failing
        for command, missing in LACKING.items():
            ended = installed.run(*command)
            assert (ended.returncode, missing in ended.stderr) == (2, True), (command, ended.stderr)


def main() -> int:
    options = _options()
    failed = 0
    for way in options.ways:
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix=f"install-{way}-") as place:
            folder = Path(place).resolve()
            (folder / "home").mkdir()
            try:
                commands = WAYS[way](options.wheel.resolve(), folder, options.python)
                used(way, Installed(commands, folder / "home"), options.wheel.name.split("-")[1])
            except (AssertionError, RuntimeError) as error:
                failed += 1
                print(f"fault  {way}: {error}", flush=True)
            else:
                print(f"ok     {way}, {time.monotonic() - began:.0f} s", flush=True)
    return 1 if failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--ways", type=_ways, default=tuple(WAYS), metavar=",".join(WAYS), help="default: all")
    parser.add_argument("--python", default=sys.executable, help="interpreter to install for (default: this one)")
    return parser.parse_args()


def _ways(names: str) -> list[str]:
    if unknown := set(names.split(",")) - set(WAYS):
        raise argparse.ArgumentTypeError(f"there is no way {min(unknown)}: {', '.join(WAYS)}")
    return names.split(",")


if __name__ == "__main__":
    sys.exit(main())
