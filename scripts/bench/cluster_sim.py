"""Simulated clusters, routed by the strategies of the product: time to the first token, cache hits, decisions.

    python scripts/bench/cluster_sim.py [--fleet NAME]... [--strategy NAME]... [--seeds 5] [--scale] [--list]

Prints Markdown. Seeds are fixed, and every strategy gets the same conversations. What the model of a node leaves out
stands in docs/architecture/cluster.md.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Final

from cluster_sim_nodes import Spec
from cluster_sim_report import HEAD, SCALE_HEAD, bars, failures, row, scale_row
from cluster_sim_run import Fleet, Result, Run
from cluster_sim_scale import SESSIONS_A_NODE, cost

from anyclaude.cluster.routing import STRATEGIES

BIG, MID, SMALL = Spec(1500, 60, 400_000), Spec(800, 45, 250_000), Spec(250, 25, 120_000)

FLEETS: Final[Mapping[str, Fleet]] = {
    fleet.name: fleet
    for fleet in (
        Fleet("3 equal", (BIG,) * 3),
        Fleet("3 that say nothing", (BIG,) * 3, telling=False),
        Fleet("3 equal, 2 proxies", (BIG,) * 3, proxies=2),
        Fleet("3 equal, warming", (BIG,) * 3, warming=True),
        Fleet("big, mid, small", (Spec(1500, 60, 600_000), MID, SMALL)),
        Fleet("2 equal", (BIG,) * 2),
        Fleet("3 that keep 100k", (Spec(1500, 60, 100_000),) * 3),
        Fleet("3 that keep all", (Spec(1500, 60, 10**9),) * 3),
        Fleet("3 equal, 5 sessions", (BIG,) * 3, 5),
        Fleet("3 equal, 5 failures", (BIG,) * 3, failures=5),
        Fleet("3 equal, 1 flaky", (BIG,) * 3, flaky=0.3),
        Fleet("1 flaky, not judged", (BIG,) * 3, flaky=0.3, judged=False),
        Fleet("50 mixed", (BIG,) * 20 + (MID,) * 20 + (SMALL,) * 10, 150, arrivals=60, prefixes=3, report_seconds=5),
        Fleet("1000 equal", (BIG,) * 1000, 5000, turns=4, arrivals=120, prefixes=5, report_seconds=30),
    )
}
USUAL: Final = [name for name in FLEETS if name not in ("1000 equal", "1 flaky, not judged")]
SCALES: Final = (3, 16, 64, 256, 1000)


def main() -> int:
    options = _options()
    if options.list:
        print("\n".join(FLEETS))
        return 0
    if options.scale:
        _scale(options.nodes or SCALES)
        return 0
    charts = []
    print(HEAD)
    for name in options.fleet or USUAL:
        means, fleet = [], FLEETS[name]
        for strategy in options.strategy or STRATEGIES:
            results = [Run(fleet, strategy, seed).simulate() for seed in range(1, options.seeds + 1)]
            print(row(name, strategy, results, fleet.sessions), flush=True)
            means.append((strategy, mean(wait for result in results for wait in result.waits)))
            _tell_failures(strategy, results)
        charts.append(bars(name, means))
    print("\nMean seconds to the first token, on a logarithmic scale:\n\n```\n" + "\n\n".join(charts) + "\n```")
    return 0


def _tell_failures(strategy: str, results: list[Result]) -> None:
    if any(result.again or result.broken for result in results):
        print(f"{strategy}: {failures(results)}", file=sys.stderr)


def _scale(sizes: Sequence[int]) -> None:
    print(SCALE_HEAD)
    for nodes in sizes:
        print(scale_row(cost(nodes), nodes * SESSIONS_A_NODE), flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--fleet", action="append", choices=list(FLEETS))
    parser.add_argument("--strategy", action="append", choices=list(STRATEGIES))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--scale", action="store_true", help="what a decision costs by the number of nodes")
    parser.add_argument("--nodes", action="append", type=int, help="with --scale: a number of nodes")
    parser.add_argument("--list", action="store_true", help="the names of the fleets")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
