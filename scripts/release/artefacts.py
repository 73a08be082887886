"""Wheel and sdist of what is committed, and what is in them.

They are built from a fresh clone, so that nothing that lies about here slips in, with the backend of the checkout's own
environment (the locks pin it), and with the time of the last commit as the only time in them.
"""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = ("anyclaude", "mlx_worker")
_VERSION: Final = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)
_BUILD: Final = (sys.executable, "-m", "hatchling", "build")
_DEADLINE: Final = 300.0  # seconds for a clone or a build


@dataclass(frozen=True)
class Built:
    """source: the clone that they were built from."""

    source: Path
    wheel: Path
    sdist: Path


def version_of(checkout: Path) -> str:
    """The version, from the one place that has it. Raises ValueError where it has none."""
    found = _VERSION.search((checkout / "src/anyclaude/__init__.py").read_text())
    if found is None:
        raise ValueError("src/anyclaude/__init__.py has no line of the form __version__ = '...'")
    return found[1]


def git(*words: str, at: Path = ROOT) -> str:
    told = subprocess.run(["git", *words], cwd=at, capture_output=True, text=True, check=True, timeout=_DEADLINE)
    return told.stdout.rstrip("\n")


def committed(clone: Path) -> dict[str, bytes]:
    """What a clone holds, by path."""
    paths = git("ls-files", "-z", at=clone).rstrip("\0").split("\0")
    return {path: (clone / path).read_bytes() for path in paths}


def build_from_clone(folder: Path, origin: Path = ROOT, *, umask: int = 0o022, **environ: str) -> Built:
    """Build the last commit in a clone below `folder`; umask and environ are what a build must not depend on."""
    source, out = folder / "source", folder / "built"
    _run(["git", "clone", "--quiet", "--shared", str(origin), str(source)], origin, os.environ, umask)
    told = {**os.environ, **environ, "SOURCE_DATE_EPOCH": _commit_time(source)}
    _run([*_BUILD, "-t", "wheel", "-t", "sdist", "-d", str(out)], source, told, umask)
    [wheel], [sdist] = out.glob("*.whl"), out.glob("*.tar.gz")
    return Built(source, wheel, sdist)


def wheel_of_sdist(built: Built, folder: Path) -> Path:
    """The wheel that comes of the sdist, as pip makes it where it finds none."""
    shutil.unpack_archive(built.sdist, folder / "unpacked", filter="data")
    [source] = (folder / "unpacked").iterdir()
    told = {**os.environ, "SOURCE_DATE_EPOCH": _commit_time(built.source)}
    _run([*_BUILD, "-t", "wheel", "-d", str(folder / "built")], source, told)
    [wheel] = (folder / "built").iterdir()
    return wheel


def _commit_time(checkout: Path) -> str:
    return git("log", "-1", "--format=%ct", at=checkout)


def _run(command: list[str], at: Path, environ: Mapping[str, str], umask: int = 0o022) -> None:
    """Raises SystemExit with what it said."""
    ended = subprocess.run(
        command, cwd=at, env=dict(environ), umask=umask, capture_output=True, text=True, timeout=_DEADLINE
    )
    if ended.returncode:
        raise SystemExit(f"{' '.join(command[:4])} failed:\n{ended.stdout}{ended.stderr}")


def files_of_wheel(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def files_of_sdist(sdist: Path) -> dict[str, bytes]:
    """By their paths below the one folder that it unpacks to."""
    with tarfile.open(sdist) as opened:
        read = ((member.name, opened.extractfile(member)) for member in opened if member.isfile())
        return {name.partition("/")[2]: file.read() for name, file in read if file is not None}


def packaged(paths: Iterable[str]) -> set[str]:
    """Those of a checkout that are installed, by their paths there: the packages with all that lies in them."""
    below = tuple(f"src/{package}/" for package in PACKAGES)
    return {path.removeprefix("src/") for path in paths if path.startswith(below)}
