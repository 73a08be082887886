"""What the project counts on in Claude Code, tried with the one that is installed: a table of points, pass or fail.

    python scripts/test/conformance.py [--only 1,12] [--json] [--at-once 2]

Claude Code is the one that ANYCLAUDE_CLAUDE names, else the one `make` installed, else the one on PATH. The exit code
is 1 when a point fails: what was seen then says what a new version changed.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.support.claude_code import find_claude
from tests.support.conformance import sent, taken
from tests.support.conformance.stage import Point, Stage

POINTS: Final = sorted((*sent.POINTS, *taken.POINTS), key=lambda point: point.number)
DEADLINE: Final = 200.0  # seconds for one point


@dataclass(frozen=True)
class Seen:
    number: int
    title: str
    passed: bool
    seen: str
    seconds: float


def main() -> int:
    options = _options()
    version = subprocess.run([find_claude(), "--version"], capture_output=True, text=True, check=True).stdout.strip()
    seen = asyncio.run(_all(options.only, options.at_once))
    if options.json:
        print(json.dumps({"claude_code": version, "points": [asdict(one) for one in seen]}, indent=1))
    else:
        print(_table(version, seen))
    return 0 if all(one.passed for one in seen) else 1


async def _all(points: Sequence[Point], at_once: int) -> list[Seen]:
    places = asyncio.Semaphore(at_once)
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        return await asyncio.gather(*(_one(point, Path(folder), places) for point in points))


async def _one(point: Point, folder: Path, places: asyncio.Semaphore) -> Seen:
    async with places:
        began = time.monotonic()
        passed, seen = await _checked(point, folder / str(point.number))
        return Seen(point.number, point.title, passed, " ".join(seen.split()), round(time.monotonic() - began, 1))


async def _checked(point: Point, folder: Path) -> tuple[bool, str]:
    try:
        async with asyncio.timeout(DEADLINE):
            return True, await point.check(Stage(folder))
    except TimeoutError as error:
        return False, f"no answer in time: {error}"[:300]
    except Exception as error:  # whatever a new version does, the other points are still told
        return False, (str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}")[:300]


def _table(version: str, seen: Sequence[Seen]) -> str:
    rows = [f"| {one.number} | {'pass' if one.passed else 'FAIL'} | {one.title} | {one.seen} |" for one in seen]
    failed = sum(not one.passed for one in seen)
    head = [f"Claude Code {version}", "", "| # | | what is counted on | what was seen |", "|---|---|---|---|"]
    return "\n".join([*head, *rows, "", f"{len(seen) - failed} of {len(seen)} points pass"])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", type=_chosen, default=POINTS, metavar="N,...", help="numbers of points")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--at-once", type=int, default=2, help="points tried side by side (default 2)")
    return parser.parse_args()


def _chosen(numbers: str) -> list[Point]:
    wanted = {int(number) for number in numbers.split(",")}
    if unknown := wanted - {point.number for point in POINTS}:
        raise argparse.ArgumentTypeError(f"there is no point {min(unknown)}: they are numbered 1 to {len(POINTS)}")
    return [point for point in POINTS if point.number in wanted]


if __name__ == "__main__":
    sys.exit(main())
