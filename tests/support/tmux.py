"""A terminal with a person at it: tmux runs a program, a test reads its screen and presses its keys.

Nothing here waits for a length of time. A control client hears from tmux whenever the program writes, and the screen
is then looked at again.
"""

import asyncio
import secrets
import shlex
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

COLUMNS, ROWS = 120, 40


class Terminal:
    """One tmux server of our own with one pane."""

    def __init__(self, socket: Path, environ: Mapping[str, str]) -> None:
        self._tmux = ("tmux", "-S", str(socket), "-f", "/dev/null")
        self._environ = dict(environ)
        self._listener: Process | None = None

    async def open(self, command: str, cwd: Path) -> None:
        """Start a shell command in the pane; what it leaves on the screen stays there after its end."""
        size = ("-x", str(COLUMNS), "-y", str(ROWS))
        await self._ask("new-session", "-d", *size, "-c", str(cwd), f"{command}; read -r held")
        control = ("-C", "attach-session", "-f", "ignore-size")
        self._listener = await asyncio.create_subprocess_exec(
            *self._tmux, *control, env=self._environ, stdin=PIPE, stdout=PIPE, stderr=DEVNULL
        )
        await self._hear(b"%session-changed")

    async def press(self, *keys: str) -> None:
        """Press keys by tmux's names: `Enter`, `Escape`, `C-c`."""
        await self._ask("send-keys", *keys)

    async def type(self, text: str) -> None:
        await self._ask("send-keys", "-l", text)

    async def screen(self) -> str:
        return await self._ask("capture-pane", "-p")

    async def state(self, *names: str) -> list[str]:
        """tmux's own view of the pane, such as `alternate_on` or `cursor_flag`, as printed: "0" or "1"."""
        return (await self._ask("display-message", "-p", " ".join(f"#{{{name}}}" for name in names))).split()

    async def until(self, seen: Callable[[str], bool] | str, deadline: float = 30.0) -> str:
        """The screen as soon as it shows that. Raises TimeoutError, with the screen, after `deadline` seconds."""
        shows = (lambda screen: seen in screen) if isinstance(seen, str) else seen
        try:
            async with asyncio.timeout(deadline):
                while not shows(screen := await self.screen()):
                    await self._hear(b"%output")
        except TimeoutError:
            raise TimeoutError(f"after {deadline:.0f} s the screen shows:\n{await self.screen()}") from None
        return screen

    async def close(self) -> None:
        await self._ask("kill-server")
        if self._listener is not None:
            await self._listener.communicate()

    async def _hear(self, kind: bytes) -> None:
        """Return at the next notice of that kind that has not been heard yet."""
        assert self._listener is not None
        assert self._listener.stdout is not None
        while not (line := await self._listener.stdout.readline()).startswith(kind):
            assert line, "tmux is gone"

    async def _ask(self, *arguments: str) -> str:
        asked = await asyncio.create_subprocess_exec(
            *self._tmux, *arguments, env=self._environ, stdin=DEVNULL, stdout=PIPE, stderr=PIPE
        )
        out, err = await asked.communicate()
        assert asked.returncode == 0, f"tmux {arguments[0]}: {err.decode().strip()}"
        return out.decode()


@asynccontextmanager
async def terminal(command: Sequence[str], environ: Mapping[str, str], cwd: Path) -> AsyncIterator[Terminal]:
    """The command in a terminal of its own until the end of the block.

    After its end the screen says `ended with CODE`, and `settings kept` when the terminal's settings are as they were.
    """
    opened = Terminal(Path(f"/tmp/anyclaude-{secrets.token_hex(4)}"), environ)
    around = (
        f'before="$(stty -g)"; {shlex.join(command)}; printf "ended with %s\\n" "$?"; '
        '[ "$(stty -g)" = "$before" ] && echo "settings kept"'
    )
    await opened.open(around, cwd)
    try:
        yield opened
    finally:
        await opened.close()
