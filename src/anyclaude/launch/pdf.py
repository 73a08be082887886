"""The text of a PDF, read by a child process that may die of it (`pdf_child`)."""

import asyncio
import os
import sys
from contextlib import suppress
from typing import Final

from anyclaude.launch.pdf_child import UNREADABLE

LARGEST: Final = 32 * 1024 * 1024
"""Bytes; what Claude Code reads at most."""

_COMMAND: Final = (sys.executable, "-P", "-m", "anyclaude.launch.pdf_child")
_PYTHON: Final = ("PYTHONHOME", "PYTHONPATH", "PYTHONUSERBASE", "VIRTUAL_ENV")
_SYSTEM: Final = ("PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
"""What Python needs to start. Whoever takes the child over by a PDF finds no keys of the person's."""

_DEADLINE: Final = 30.0  # seconds
_AT_ONCE: Final = 2


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
    child = await asyncio.create_subprocess_exec(*_COMMAND, stdin=pipe, stdout=pipe, stderr=quiet, env=environ)
    try:
        said, _ = await child.communicate(document)
    finally:
        with suppress(ProcessLookupError):
            child.kill()
        await child.wait()
    text = said.decode("utf-8", "replace")
    if child.returncode == 0:
        return text
    return f"[{text}]" if child.returncode == UNREADABLE else "[it cannot be read: reading it took too much]"
