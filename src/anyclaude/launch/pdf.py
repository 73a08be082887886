"""The text of a PDF, read by a child process that may die of it (`pdf_child`)."""

import asyncio
import os
import sys
from contextlib import suppress
from typing import Final

from anyclaude.launch.pdf_terms import LENGTH, MOST_CHARACTERS, UNREADABLE

LARGEST: Final = 32 * 1024 * 1024
"""Bytes; what Claude Code reads at most."""

_COMMAND: Final = (sys.executable, "-P", "-m", "anyclaude.launch.pdf_child")
_PYTHON: Final = ("PYTHONHOME", "PYTHONPATH", "PYTHONUSERBASE", "VIRTUAL_ENV")
_SYSTEM: Final = ("PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
"""What Python needs to start. Whoever takes the child over by a PDF finds no keys of the person's."""

_DEADLINE: Final = 30.0  # seconds
_AT_ONCE: Final = 2
_PIECE: Final = 64 * 1024
_MOST_BYTES: Final = 8 * MOST_CHARACTERS  # four for a character, and the lines before pages


class PdfReading:
    """Reads a few PDFs at a time."""

    def __init__(self, deadline: float = _DEADLINE) -> None:
        self._deadline = deadline
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def text_of(self, document: bytes) -> str:
        """Its text, or why there is none, in brackets. Never raises for what stands in it."""
        if len(document) > LARGEST:
            return f"[it is larger than {LARGEST // 1024**2} MB]"
        async with self._places:
            try:
                async with asyncio.timeout(self._deadline):
                    return await _read(document)
            except TimeoutError:
                return f"[it could not be read within {self._deadline:.0f} seconds]"


async def _read(document: bytes) -> str:
    pipe, quiet = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    environ = {name: os.environ[name] for name in (*_PYTHON, *_SYSTEM) if name in os.environ}
    try:
        child = await asyncio.create_subprocess_exec(*_COMMAND, stdin=pipe, stdout=pipe, stderr=quiet, env=environ)
    except OSError as error:
        return f"[it cannot be read now: {error.strerror or type(error).__name__}]"
    try:
        said, _ = await asyncio.gather(_said(child), _fed(child, document))
        if said is not None:
            await child.wait()
    finally:
        with suppress(ProcessLookupError):
            child.kill()
        await child.wait()
        if child.stdin:
            child.stdin.close()
    text = (said or b"").decode("utf-8", "replace")
    if child.returncode == 0:
        return text
    return f"[{text}]" if child.returncode == UNREADABLE else "[it cannot be read: reading it took too much]"


async def _said(child: asyncio.subprocess.Process) -> bytes | None:
    """All that it writes; None when that is more than any text may be."""
    said = bytearray()
    while child.stdout and (piece := await child.stdout.read(_PIECE)):
        said += piece
        if len(said) > _MOST_BYTES:
            child.kill()
            return None
    return bytes(said)


async def _fed(child: asyncio.subprocess.Process, document: bytes) -> None:
    """What it reads. The pipe stays open until it has ended: should we be killed, its closing ends it."""
    if child.stdin:
        with suppress(BrokenPipeError, ConnectionResetError):  # it has ended, and its last words say why
            child.stdin.writelines((len(document).to_bytes(LENGTH), document))
            await child.stdin.drain()
