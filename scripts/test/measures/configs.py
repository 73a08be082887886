"""R17: broken configuration files, each before the real program: python scripts/test/measures/configs.py [--scale F]"""

import asyncio
import math
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from measuring import scale, tell
from tests.support.broken_configs import CLUSTER, SETTINGS, Broken
from tests.support.children import ANYCLAUDE, bare_environment, run

WANTED = 40
SETUP_FAILED = 2

Row = tuple[Broken, str, str]
"""A file, where it lies below the account, and how it is called."""


def rows() -> Iterator[Row]:
    for broken in SETTINGS:
        yield broken, "work/.anyclauderc.json", ".anyclauderc.json"
    for broken in CLUSTER:
        yield broken, "home/.anyclaude/mlx-cluster.json", "~/.anyclaude/mlx-cluster.json"


def main(part: float) -> None:
    every = list(rows())
    chosen = every[:: max(1, math.floor(1 / part))]
    wrong = []
    for number, row in enumerate(chosen, 1):
        if fault := _fault(*row):
            wrong.append(fault)
        if number % 20 == 0:
            print(f"{number} of {len(chosen)}: {len(wrong)} wrong", file=sys.stderr)
    right = len(chosen) - len(wrong)
    measured = f"{len(chosen)} files: {right} told in one line with file and key, exit code 2, no traceback"
    met = not wrong and (part < 1 or len(chosen) >= WANTED)
    tell({"R17": {"measured": measured, "met": met} | ({"note": "; ".join(wrong[:2])} if wrong else {})})


def _fault(broken: Broken, place: str, label: str) -> str | None:
    with tempfile.TemporaryDirectory() as folder:
        home, work = Path(folder, "home"), Path(folder, "work")
        for each in (work, home / ".anyclaude"):
            each.mkdir(parents=True)
        Path(folder, place).write_text(broken.text)
        ended = asyncio.run(run([*ANYCLAUDE, "--proxy-only"], bare_environment(home), work, 60))
    if ended.exit_code != SETUP_FAILED or ended.stdout:
        return f"exit code {ended.exit_code} for {broken.told!r}"
    return broken.fault_of(ended.stderr, label)


if __name__ == "__main__":
    main(scale(__doc__))
