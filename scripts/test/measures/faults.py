"""R1a: an upstream's faults, on each backend: python scripts/test/measures/faults.py [--scale F] [--only U16]

Every row of the tables of faults, on each kind of backend, with its bytes whole, one by one and cut at random; at scale
1 each of these 20 times. The oracle judges each answer, and the log.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from measuring import tell
from tests.support.chunk_faults import CHUNK_FAULTS
from tests.support.fault_trials import KINDS, BackendKind, Trial
from tests.support.faulty_upstream import CUTTINGS, Cuts, Cutting
from tests.support.oracle import Violation, quiet_log
from tests.support.upstream_faults import FAULTS, Fault

ROWS = (*FAULTS, *CHUNK_FAULTS)
TRIALS = 20
LARGE_TRIALS = 3
SECONDS = 600.0
PROCESSES = 2
PARTS = 40
TOGETHER = 12
"""Trials at once, where each one waits for a deadline of the product."""


@dataclass(frozen=True)
class Case:
    """row: its place in the tables; a scenario cannot go to another process."""

    row: int
    kind: BackendKind
    how: Cutting
    seed: int
    stream: bool

    @property
    def fault(self) -> Fault:
        return ROWS[self.row]

    def __str__(self) -> str:
        return f"{self.fault.name}, {self.kind}, {self.how}, {'stream' if self.stream else 'whole'}, seed {self.seed}"


@dataclass
class Result:
    outcomes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def add(self, other: "Result") -> None:
        self.outcomes += other.outcomes
        self.wrong += other.wrong


def cases(scale: float, only: str) -> list[Case]:
    """All of them, in an order that is mixed; a part where the scale is less than one time each."""
    times = max(1, round(TRIALS * scale))
    every = [case for row, fault in enumerate(ROWS) if only in fault.name for case in _of(row, fault, times)]
    random.Random(1).shuffle(every)
    share = min(1.0, scale * TRIALS)
    return every[: max(PARTS, round(len(every) * share))]


def _of(row: int, fault: Fault, times: int) -> Iterator[Case]:
    for kind in KINDS:
        for stream in (True, False) if kind == "lmstudio" else (True,):
            if Trial(kind, Cuts(), stream).expected(fault) is None:
                continue
            for how in CUTTINGS:
                for seed in range(min(times, LARGE_TRIALS) if fault.large else times):
                    yield Case(row, kind, how, seed, stream)


async def _run(part: Sequence[Case], home: Path) -> Result:
    result, many = Result(), asyncio.Semaphore(TOGETHER)
    try:
        with quiet_log():
            for case in part:
                if not case.fault.waits:
                    await _one(case, result, home)
            await asyncio.gather(*(_one(case, result, home, many) for case in part if case.fault.waits))
    except Violation as violation:
        result.wrong.append(f"among {len(part)} trials: {violation}")
    return result


async def _one(case: Case, result: Result, home: Path, many: asyncio.Semaphore | None = None) -> None:
    try:
        async with many or asyncio.Semaphore():
            outcome = await Trial(case.kind, Cuts(case.how, case.seed), case.stream, home).run(case.fault)
    except Violation as violation:
        result.wrong.append(f"{case}: {str(violation)[:400]}")
    else:
        result.outcomes[outcome.kind] += 1


def run(part: Sequence[Case]) -> Result:
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_run(part, Path(folder)))


def main() -> None:
    options = _options()
    began, chosen, total, over = time.monotonic(), cases(options.scale, options.only), Result(), 0
    parts = [chosen[start::PARTS] for start in range(PARTS)]
    with ProcessPoolExecutor(PROCESSES) as pool:
        waiting = {pool.submit(run, part) for part in parts if part}
        for done in as_completed(waiting):
            if done.cancelled():
                continue
            total.add(done.result())
            over += 1
            print(f"{over} of {PARTS} parts: {sum(total.outcomes.values())} trials, {total.wrong[:3]}", file=sys.stderr)
            if time.monotonic() - began > SECONDS:
                for future in waiting:
                    future.cancel()
    tell({"R1a": _figure(total, len(chosen))})


def _figure(total: Result, planned: int) -> dict[str, object]:
    done = sum(total.outcomes.values()) + len(total.wrong)
    kinds = ", ".join(f"{count} {kind}" for kind, count in total.outcomes.most_common())
    measured = f"{done:,} trials of {len(ROWS)} rows on {len(KINDS)} backends: {len(total.wrong)} wrong ({kinds})"
    figure: dict[str, object] = {"measured": measured, "met": not total.wrong and done == planned}
    if total.wrong:
        figure["note"] = f"first: {total.wrong[0]}"
    elif done < planned:
        figure["note"] = f"{planned:,} trials were planned; the time for them was over"
    return figure


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--scale", type=float, default=1.0, help="part of the whole counts (default 1)")
    parser.add_argument("--only", default="", help="rows whose name holds this")
    return parser.parse_args()


if __name__ == "__main__":
    main()
