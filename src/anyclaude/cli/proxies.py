"""Asking the running proxies of this person how they are, all at once.

They are found by the files that they leave (`config.running`), and each is asked with its own token. One that does not
answer, or that is another one than its file says, is passed over: it has just ended, or is ending.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from anyclaude.backends.http import Upstream
from anyclaude.config.running import Running, running
from anyclaude.errors import AnyclaudeError
from anyclaude.server.status import PATH

DEADLINE: Final = 1.5
"""Seconds for a proxy to answer. It asks nobody, so that it takes milliseconds unless it computes."""


@dataclass(frozen=True, slots=True)
class Told:
    """A running proxy and what it says, as `server.status` has it; another version may say more or less."""

    proxy: Running
    status: Mapping[str, Any]


async def ask_proxies(home: Path, seconds: float = DEADLINE) -> list[Told]:
    """Those that answer, the oldest first. home: `settings.home`."""
    found = await asyncio.gather(*(_ask(proxy, seconds) for proxy in running(home)))
    return [one for one in found if one is not None]


async def _ask(proxy: Running, seconds: float) -> Told | None:
    upstream = Upstream(proxy.url, proxy.token, seconds)
    try:
        status, told = await upstream.look(f"{proxy.url}{PATH}", seconds)
    except AnyclaudeError:
        return None
    finally:
        await upstream.aclose()
    if status != 200 or not isinstance(told, Mapping) or told.get("pid") != proxy.pid:
        return None
    return Told(proxy, told)
