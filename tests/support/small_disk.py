"""A disk of a few kilobytes for a child program: a tmpfs in a mount namespace of its own, where the system lets us."""

import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

_MOUNT = 'mount -t tmpfs -o size="$0"k,mode=700 tmpfs "$1" && shift && exec "$@"'


@cache
def possible() -> bool:
    """Whether a name space with a disk of its own can be had here: Linux, and either root or user name spaces."""
    if shutil.which("unshare") is None:
        return False
    tried = subprocess.run(on_small_disk(["true"], Path("/mnt"), 64), capture_output=True, check=False)
    return tried.returncode == 0


def on_small_disk(command: Sequence[str], folder: Path, kilobytes: int) -> list[str]:
    """The command, for which the folder is a new and empty disk of that size. It takes the place of what is started."""
    return ["unshare", "-r", "-m", "sh", "-c", _MOUNT, str(kilobytes), str(folder), *command]
