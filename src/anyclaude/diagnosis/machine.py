"""Checks of this machine: claude itself, and the folder that we keep our own files in."""

import asyncio
import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Final

from anyclaude.diagnosis.findings import Finding, of_error
from anyclaude.errors import SetupError
from anyclaude.launch.claude import find_claude

OLDEST: Final = (2, 1)
"""The first version of Claude Code whose requests were looked at."""

VERSION_DEADLINE: Final = 30.0
_LEAST_FREE: Final = 50 * 1024 * 1024  # bytes; logs and one long trace
_FILES_LOOKED_AT: Final = 2000


async def claude_program(environ: Mapping[str, str], deadline: float = VERSION_DEADLINE) -> list[Finding]:
    """Whether claude is there, starts, and is new enough. deadline: seconds for it to say its version."""
    try:
        program = find_claude(environ)
    except SetupError as error:
        return [of_error("claude", error, "install Claude Code")]
    try:
        said = await _version(program, environ, deadline)
    except TimeoutError:
        return [_broken(program, f"said nothing within {deadline:.0f} seconds")]
    except OSError as error:
        return [_broken(program, f"cannot be started: {error.strerror}")]
    found = re.match(r"(\d+)\.(\d+)\S*", said)
    if found is None:
        return [_broken(program, "does not say a version")]
    if (int(found[1]), int(found[2])) < OLDEST:
        older = f"claude {found[0]} is older than {OLDEST[0]}.{OLDEST[1]}, the first that was tried"
        return [Finding("claude", "warning", older, "run `claude update`")]
    return [Finding("claude", "ok", f"claude {found[0]} at {program}")]


def _broken(program: str, said: str) -> Finding:
    return Finding(
        "claude", "failure", f"{program} --version {said}", "install Claude Code again, or run `claude doctor`"
    )


async def _version(program: str, environ: Mapping[str, str], deadline: float) -> str:
    """The first words of `claude --version`. Raises OSError, and TimeoutError with the child ended."""
    pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    child = await asyncio.create_subprocess_exec(
        program, "--version", stdin=null, stdout=pipe, stderr=null, env=dict(environ)
    )
    try:
        async with asyncio.timeout(deadline):
            output, _ = await child.communicate()
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    return output[:200].decode(errors="replace").strip()


def own_folder(home: Path) -> list[Finding]:
    """Whether our folder can be written to, is private, and has room on its disk."""
    try:
        folder = home.expanduser()
        return [_access(folder), *_exposed(folder), _room(folder)]
    except (OSError, RuntimeError) as error:
        return [Finding("disk", "failure", f"{home} cannot be looked at: {error}", "check HOME and its permissions")]


def _access(folder: Path) -> Finding:
    nearest = _nearest(folder)
    if not nearest.is_dir():
        return Finding("disk", "failure", f"{nearest} is not a folder", f"move {nearest} away")
    if not os.access(nearest, os.W_OK | os.X_OK):
        return Finding(
            "disk", "failure", f"{nearest} cannot be written to", f"run `chmod u+rwx {nearest}` as its owner"
        )
    there = "can be written to" if nearest == folder else "can be made"
    return Finding("disk", "ok", f"{folder} {there}")


def _exposed(folder: Path) -> list[Finding]:
    """A warning when others can read our files: traces hold whole conversations."""
    if not folder.is_dir():
        return []
    open_ones = [path for path in islice(_with_inside(folder), _FILES_LOOKED_AT) if _others_read(path)]
    if not open_ones:
        return []
    said = f"other users can read {open_ones[0]}"
    said += f" and {len(open_ones) - 1} more" if len(open_ones) > 1 else ""
    return [Finding("disk", "warning", said, f"run `chmod -R go= {folder}`")]


def _with_inside(folder: Path) -> Iterator[Path]:
    """The folder itself; when nobody else can enter it, what is inside is safe whatever its mode."""
    yield folder
    if _others_read(folder):
        yield from folder.rglob("*")


def _others_read(path: Path) -> bool:
    mode = path.lstat().st_mode
    return not stat.S_ISLNK(mode) and bool(mode & 0o077)


def _room(folder: Path) -> Finding:
    free = shutil.disk_usage(_nearest(folder)).free
    megabytes = f"{free // (1024 * 1024)} MB are free for {folder}"
    if free < _LEAST_FREE:
        return Finding("disk", "failure", f"only {megabytes}", "free some space on that disk")
    return Finding("disk", "ok", megabytes)


def _nearest(folder: Path) -> Path:
    """The folder, or what stands nearest above it."""
    return next(path for path in (folder, *folder.parents) if path.exists())
