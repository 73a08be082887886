"""Real workers killed under load, seen through the whole proxy: what is lost, and how soon sessions go on elsewhere.

    python scripts/bench/cluster_kills.py [--kills 100] [--nodes 3] [--sessions 6]

Exit code 1 when a request was lost before its first word, or ended in any other way than whole or with one error. How
to read it: docs/architecture/cluster.md.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

import question  # noqa: F401  (makes the tests' parts importable)
from tests.support import tiny_model
from tests.support.cluster_kills import Result, all_down, halt_one, kill_nodes
from tests.support.worker_nodes import worker_nodes


def main() -> int:
    parser = argparse.ArgumentParser(description="Real workers that are killed under load.")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--sessions", type=int, default=6)
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        model = tiny_model.build(Path(folder) / "model").folder
        with worker_nodes(Path(folder), model, options.nodes) as nodes:
            result = asyncio.run(kill_nodes(nodes, options.kills, options.sessions))
            _print(result, time.monotonic() - began)
            slowest, outcomes = asyncio.run(halt_one(nodes, options.sessions))
            told, what, answered = asyncio.run(all_down(nodes))
    print(f"one node halted, probes of 1 s: slowest first word {slowest:.1f} s, {dict(outcomes)}")
    print(f"all down: told after {told:.2f} s, answered {answered:.2f} s after one was back: {what}")
    return int(bool(result.lost or set(outcomes) - {"whole", "cut"}))


def _print(result: Result, seconds: float) -> None:
    for name, value in (
        ("kills", result.kills),
        ("seconds", f"{seconds:.0f}"),
        ("requests", sum(result.outcomes.values())),
        ("answered whole", result.outcomes["whole"]),
        ("cut, told by one error", result.outcomes["cut"]),
        ("lost", result.lost),
        ("worst time to a word elsewhere", f"{result.elsewhere:.2f} s"),
        ("most requests at a node that is back, before its first word", result.herd),
        ("and in the second from the first of them on", result.first_second),
    ):
        print(f"{name:60} {value}")
    for outcome in result.outcomes:
        if outcome not in ("whole", "cut"):
            print(f"{result.outcomes[outcome]} x {outcome}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
