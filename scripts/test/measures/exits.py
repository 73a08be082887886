"""R12: claude's end is ours, and the terminal is as before: python scripts/test/measures/exits.py [--scale F]

`anyclaude` on a pseudo-terminal of its own, with a program in the role of claude that puts the terminal into raw mode
and then ends with a code, or by a signal. At scale 1 all 256 codes and five signals.
"""

import asyncio
import re
import signal
import sys
import tempfile
from pathlib import Path

from measuring import scale, tell
from tests.support.children import ANYCLAUDE, bare_environment
from tests.support.openai_upstream import OpenAIUpstream
from tests.support.stub_claude import stub_claude
from tests.support.terminal import on_terminal

SIGNALS = ("SIGKILL", "SIGTERM", "SIGINT", "SIGSEGV", "SIGHUP")
CODES = 256
AT_ONCE = 3
DEADLINE = 60.0


async def main(part: float) -> None:
    count = max(2, round(CODES * part))
    codes = sorted({round(step * (CODES - 1) / (count - 1)) for step in range(count)})
    ends = [(("mess", str(code)), code) for code in codes]
    signals = SIGNALS[: max(1, round(len(SIGNALS) * part))]
    ends += [(("crash", name), 128 + signal.Signals[name]) for name in signals]
    places = asyncio.Semaphore(AT_ONCE)
    async with OpenAIUpstream() as upstream:
        wrong = [one for one in await asyncio.gather(*(_tried(places, upstream, *end) for end in ends)) if one]
    measured = f"{len(codes)} codes and {len(signals)} signals: {len(wrong)} not handed on, or the terminal changed"
    note = {"note": "; ".join(wrong)} if wrong else {}
    tell({"R12": {"measured": measured, "met": not wrong, **note}})


async def _tried(places: asyncio.Semaphore, upstream: OpenAIUpstream, words: tuple[str, str], code: int) -> str:
    """What was wrong; "" when nothing was."""
    async with places:
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            environ = bare_environment(home, LMSTUDIO_URL=upstream.url, ANYCLAUDE_CLAUDE=stub_claude(home))
            said = ""
            try:
                async with (
                    asyncio.timeout(DEADLINE),
                    on_terminal([*ANYCLAUDE, "--mode=lmstudio", *words], environ, home) as session,
                ):
                    await session.screen.expect("raw")
                    said = await session.shell.expect("ed ")
                    said += "ed " + await session.shell.expect("\n")
            except TimeoutError:
                said += " and no end"
    told = re.sub(r"\s+", " ", said).strip()
    print(f"{' '.join(words)}: {told}", file=sys.stderr)
    return "" if told == f"modes kept exited {code}" else f"{' '.join(words)}: {told}"


if __name__ == "__main__":
    asyncio.run(main(scale(__doc__)))
