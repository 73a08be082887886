"""A session of Claude Code on a machine that has no network but loopback, and who tried to reach what else.

    alone = await session_alone(folder)
    assert alone.ours == frozenset()

`python -m tests.support.alone FOLDER` is the inner half: it runs in a network namespace of its own (Linux), in which
strace notes every call that sends something somewhere.
"""

import asyncio
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fcntl import ioctl
from pathlib import Path
from typing import Any, Final

from tests.support.children import REPOSITORY, bare_environment, run
from tests.support.claude_code import HEADLESS, ClaudeCode, find_claude
from tests.support.openai_upstream import OpenAIUpstream
from tests.support.script import Says, calls, reply

_CALLS: Final = "execve,fork,vfork,clone,clone3,connect,sendto,sendmsg,sendmmsg"
_STARTED: Final = re.compile(r"^(?:v?fork|clone3?)\(.*= (\d+)$", re.MULTILINE)
_PROGRAM: Final = re.compile(r'^execve\("([^"]+)".* = 0$', re.MULTILINE)
_PEER: Final = re.compile(
    r"sin6?_port=htons\((\d+)\).*?(?:inet_addr\(\"([^\"]+)\"\)|inet_pton\(AF_INET6, \"([^\"]+)\")"
)
_DNS: Final = 53
_UP: Final = 1
_GET_FLAGS, _SET_FLAGS = 0x8913, 0x8914  # SIOCGIFFLAGS, SIOCSIFFLAGS


@dataclass(frozen=True)
class Alone:
    """text: what Claude Code said at last. ours, claudes: peers beyond loopback that our processes and its own tried.

    names: that were asked for, by anybody. asked: whether one of ours did. loopback: how often ours connected to
    loopback, as a sign that calls were noted.
    """

    exit_code: int
    text: str
    ours: frozenset[str]
    claudes: frozenset[str]
    names: frozenset[str]
    asked: bool
    loopback: int


async def session_alone(folder: Path) -> Alone:
    """Raises AssertionError, with the reason, when no such namespace can be made here."""
    for program in ("unshare", "strace"):
        assert shutil.which(program), f"{program} is not installed: run scripts/test/setup"
    enter = ["unshare", "--net", "--mount", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]
    environ = bare_environment(folder, ANYCLAUDE_CLAUDE=find_claude())
    command = [*enter, sys.executable, "-m", "tests.support.alone", str(folder)]
    ended = await run(command, environ, REPOSITORY, 120)
    assert ended.exit_code == 0, f"no session in a namespace of its own: {ended.stderr[-2000:]}"
    told = json.loads(ended.stdout)
    peers = _peers(folder / "calls", told["claude"])
    beyond = {who: frozenset(peer for peer in found if not _is_loopback(peer)) for who, found in peers.items()}
    return Alone(
        told["exit_code"],
        told["text"],
        beyond["ours"],
        beyond["claude"],
        frozenset(told["names"]),
        any(peer.endswith(f"port {_DNS}") for peer in peers["ours"]),
        sum(map(_is_loopback, peers["ours"])),
    )


async def _inner(folder: Path) -> dict[str, Any]:
    _loopback_up()
    assert _interfaces() == ["lo"], f"not alone: {_interfaces()}"
    (folder / "calls").mkdir()
    names = await _name_server(folder)
    async with OpenAIUpstream() as upstream:
        upstream.script(reply(calls("Bash", command="echo alone > made.txt")), reply(Says("Made, all alone.")))
        claude = ClaudeCode(folder / "account", LMSTUDIO_URL=upstream.url)
        tracing = ["strace", "-ff", "-qq", "-e", f"trace={_CALLS}", "-e", "signal=none", "-o", str(folder / "calls/of")]
        command = [*tracing, *claude.command("-p", "Make a file", *HEADLESS)]
        ended = await run(command, claude.environ, claude.work, 100)
        assert (claude.work / "made.txt").read_text() == "alone\n", ended.stderr
    result = json.loads(ended.stdout.splitlines()[-1])
    program = claude.environ["ANYCLAUDE_CLAUDE"]
    return {"exit_code": ended.exit_code, "text": result["result"], "claude": program, "names": sorted(names.asked)}


class _Names(asyncio.DatagramProtocol):
    """A name server that knows no name (RFC 1035, 4.1: the question stands behind twelve bytes)."""

    def __init__(self) -> None:
        self.asked: set[str] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, query: bytes, peer: tuple[str, int]) -> None:
        labels, rest = [], query[12:]
        while rest and rest[0]:
            labels.append(rest[1 : rest[0] + 1].decode("ascii", "replace"))
            rest = rest[rest[0] + 1 :]
        self.asked.add(".".join(labels))
        assert isinstance(self._transport, asyncio.DatagramTransport)
        self._transport.sendto(query[:2] + b"\x81\x83" + query[4:6] + b"\0" * 6 + query[12:], peer)


async def _name_server(folder: Path) -> _Names:
    _resolve_here(folder / "resolv.conf")
    loop = asyncio.get_running_loop()
    _, names = await loop.create_datagram_endpoint(_Names, ("127.0.0.1", _DNS))
    return names


def _resolve_here(own: Path) -> None:
    """Ask the name server on loopback, and no other, for the rest of this namespace's life."""
    own.write_text("nameserver 127.0.0.1\noptions attempts:1 timeout:2\n")
    subprocess.run(["mount", "--bind", own, Path("/etc/resolv.conf").resolve()], check=True)


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        name = struct.pack("16sH14x", b"lo", 0)
        (flags,) = struct.unpack_from("16xH", ioctl(any_socket, _GET_FLAGS, name))
        ioctl(any_socket, _SET_FLAGS, struct.pack("16sH14x", b"lo", flags | _UP))


def _interfaces() -> list[str]:
    return [name for _, name in socket.if_nameindex()]


def _peers(folder: Path, claude: str) -> Mapping[str, list[str]]:
    """What was sent to, by Claude Code with all that it started, and by everybody else."""
    noted = {int(path.suffix[1:]): path.read_text() for path in folder.glob("of.*")}
    claudes: set[int] = set()
    new = {pid for pid, text in noted.items() if claude in _PROGRAM.findall(text)}
    assert new, "Claude Code was not seen to start"
    while new:
        claudes |= new
        started = {int(pid) for one in new for pid in _STARTED.findall(noted.get(one, ""))}
        new = started - claudes
    found: dict[str, list[str]] = {"ours": [], "claude": []}
    for pid, text in noted.items():
        found["claude" if pid in claudes else "ours"] += _named(text)
    return found


def _named(text: str) -> Iterator[str]:
    for port, four, six in _PEER.findall(text):
        yield f"{four or six} port {port}"


def _is_loopback(peer: str) -> bool:
    return peer.startswith(("127.", "::1 "))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(_inner(Path(sys.argv[1])))))
