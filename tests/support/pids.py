"""How other processes are, as `ps` tells it. What is dead and not reaped yet counts as gone: init takes its time."""

import asyncio
import subprocess

DEADLINE = 30.0


def state(pid: int) -> str:
    """T is stopped, Z a zombie, "" one that does not exist."""
    return _ps("-o", "state=", "-p", str(pid)).strip()[:1]


def in_session(leader: int) -> list[int]:
    """The processes of a session, zombies among them."""
    return [int(pid) for pid in _ps("-o", "pid=", "-s", str(leader)).split()]


def children_of(pid: int) -> list[int]:
    return [int(each) for each in _ps("-o", "pid=", "--ppid", str(pid)).split()]


async def until_gone(*pids: int, seconds: float = DEADLINE) -> None:
    """Raises TimeoutError when one of them is still there."""
    async with asyncio.timeout(seconds):
        while any(state(pid) not in ("", "Z") for pid in pids):  # noqa: ASYNC110, nobody tells of another's end
            await asyncio.sleep(0.01)


def _ps(*words: str) -> str:
    return subprocess.run(["ps", *words], capture_output=True, text=True, check=False).stdout
