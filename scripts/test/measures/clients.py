"""R1b: a client's faults, before each kind of proxy: python scripts/test/measures/clients.py [--scale F]

Every row of the table of clients' faults, its bytes whole, one by one and cut at random; at scale 1 each of these 20
times. The oracle judges each answer, and the log.
"""

import asyncio
import random
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

from measuring import scale, tell
from tests.support.client_faults import CLIENT_FAULTS
from tests.support.client_trials import PROXIES, ClientTrial, ProxyKind
from tests.support.faulty_upstream import CUTTINGS, Cuts, Cutting
from tests.support.oracle import Violation, quiet_log

TIMES = 20
SECONDS = 540.0
PROCESSES = 2
PARTS = 40


@dataclass(frozen=True)
class Case:
    """row: its place in the table; a scenario cannot go to another process."""

    row: int
    kind: ProxyKind
    how: Cutting
    seed: int

    def __str__(self) -> str:
        return f"{CLIENT_FAULTS[self.row].name}, {self.kind}, {self.how}, seed {self.seed}"


def cases(part: float) -> list[Case]:
    every = [
        Case(row, kind, how, seed)
        for row, fault in enumerate(CLIENT_FAULTS)
        for kind in PROXIES
        if ClientTrial(kind).expected(fault) is not None
        for how in CUTTINGS
        for seed in range(max(1, round(TIMES * part)))
    ]
    random.Random(1).shuffle(every)
    return every[: max(10, round(len(every) * min(1.0, part * TIMES)))]


async def _tried(chosen: Sequence[Case]) -> list[str]:
    """What went wrong."""
    wrong = []
    for case in chosen:
        try:
            with quiet_log():
                await ClientTrial(case.kind, Cuts(case.how, case.seed)).run(CLIENT_FAULTS[case.row])
        except (Violation, OSError) as error:
            wrong.append(f"{case}: {type(error).__name__}: {str(error)[:300]}")
    return wrong


def tried(chosen: Sequence[Case]) -> tuple[int, list[str]]:
    return len(chosen), asyncio.run(_tried(chosen))


def main() -> None:
    began, chosen, done, wrong = time.monotonic(), cases(scale(__doc__)), 0, list[str]()
    with ProcessPoolExecutor(PROCESSES) as pool:
        parts = [chosen[start::PARTS] for start in range(min(PARTS, len(chosen)))]
        waiting = [pool.submit(tried, part) for part in parts]
        for ended in as_completed(waiting):
            if ended.cancelled():
                continue
            count, found = ended.result()
            done, wrong = done + count, wrong + found
            print(f"{done} of {len(chosen)} trials, {len(wrong)} wrong {found[:3]}", file=sys.stderr)
            if time.monotonic() - began > SECONDS:
                for future in waiting:
                    future.cancel()
    measured = (
        f"{done:,} trials of {len(CLIENT_FAULTS)} rows before {len(PROXIES)} kinds of proxies: {len(wrong)} wrong"
    )
    figure: dict[str, object] = {"measured": measured, "met": not wrong and done == len(chosen)}
    if wrong:
        figure["note"] = f"first: {wrong[0]}"
    elif done < len(chosen):
        figure["note"] = f"{len(chosen):,} trials were planned; the time for them was over"
    tell({"R1b": figure})


if __name__ == "__main__":
    main()
