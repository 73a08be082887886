"""R14: secrets planted everywhere, and searched for everywhere: python scripts/test/measures/canaries.py [--scale F]

At scale 1 ten accounts, one after the other, each with all canaries and all outputs.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from measuring import scale, tell
from tests.integration.attacks.canaries import CANARIES, everything_said, leaks

ACCOUNTS = 10


async def main(part: float) -> None:
    accounts, outputs, size, found = max(1, round(ACCOUNTS * part)), 0, 0, list[str]()
    for number in range(accounts):
        with tempfile.TemporaryDirectory() as folder:
            said = await everything_said(Path(folder))
        found += leaks(said)
        outputs += len(said)
        size += sum(map(len, said.values()))
        print(f"account {number + 1} of {accounts}: {len(found)} found", file=sys.stderr)
    measured = (
        f"{len(CANARIES)} secrets, {outputs} outputs of {accounts} accounts, {size:,} characters: {len(found)} found"
    )
    figure: dict[str, object] = {"measured": measured, "met": not found and len(CANARIES) >= 20}
    tell({"R14": figure | ({"note": "; ".join(sorted(set(found))[:3])} if found else {})})


if __name__ == "__main__":
    asyncio.run(main(scale(__doc__)))
