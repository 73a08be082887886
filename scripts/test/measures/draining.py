"""R11: told to end with streams under way: python scripts/test/measures/draining.py [--scale F]

SIGTERM to `anyclaude --proxy-only` with 0, 1 and 20 streams: every second time the answers can still finish, else they
are held for longer than the grace. At scale 1 each is done 50 times, two at a time.
"""

import asyncio
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from measuring import scale, tell
from tests.support.draining import Drained, drained

STREAMS = (0, 1, 20)
TIMES = 50
GRACE = 1.0
EXTRA = 1.0
"""Seconds beyond the grace."""
AT_ONCE = 2


async def main(part: float) -> None:
    times = max(1, round(TIMES * part))
    places = asyncio.Semaphore(AT_ONCE)
    asked = [_tried(places, streams, number % 2 == 0) for number in range(times) for streams in STREAMS]
    tried = list(await asyncio.gather(*asked))
    tell({"R11": _figure(tried)})


async def _tried(places: asyncio.Semaphore, streams: int, finishing: bool) -> tuple[int, bool, Drained]:
    async with places:
        with tempfile.TemporaryDirectory() as home:
            seen = await drained(Path(home), streams, signal.SIGTERM, finishing=finishing, grace=GRACE)
    print(f"{streams} streams, {'finishing' if finishing else 'held'}: {seen}", file=sys.stderr)
    return streams, finishing, seen


def _figure(tried: Sequence[tuple[int, bool, Drained]]) -> dict[str, object]:
    wrong_ends = sum(streams - (seen.whole if finishing else seen.told) for streams, finishing, seen in tried)
    wrong_codes = sum(seen.exit_code != 128 + signal.SIGTERM for _, _, seen in tried)
    left = sum(seen.left for _, _, seen in tried)
    longest = max(seen.seconds for _, _, seen in tried)
    measured = (
        f"{len(tried)} times: {wrong_ends} streams without their end, {wrong_codes} wrong exit codes, {left} processes "
        f"left, {longest:.1f} s at most with a grace of {GRACE:.0f} s"
    )
    met = wrong_ends == wrong_codes == left == 0 and longest <= GRACE + EXTRA
    return {"measured": measured, "met": met}


if __name__ == "__main__":
    asyncio.run(main(scale(__doc__)))
