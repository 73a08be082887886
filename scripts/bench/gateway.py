"""What the gateway costs on a request of Claude Code's size, beside a bare byte relay in the same run.

    python scripts/bench/gateway.py [--targets relay,anyclaude] [--rounds 5] [--json]

Each target is a process of its own between this client and a scripted upstream, so that its CPU time is its own
and nothing else's. The targets take turns and the table holds medians, since other work on the machine comes and
goes.
How to read it, and what was found: docs/reference/performance.md.
"""

import argparse
import json
import os
import sys
import time
from contextlib import ExitStack

from failure import BenchError
from measure import Bench, Counts
from report import as_json, table
from targets import set_stage

_TARGETS = ("relay", "anyclaude")


def main() -> int:
    options = _options()
    counts = Counts(options.rounds, options.requests, options.answers, options.chunks, options.burst, options.streams)
    began = time.monotonic()
    try:
        with ExitStack() as stack:
            stage = set_stage(options.targets, options.request_bytes, options.turns, options.anyclaude, stack)
            bench = Bench(stage, counts)
            bench.run()
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps(as_json(bench.figures, counts, options.request_bytes), indent=1))
    else:
        print(table(bench.figures))
        print(_conditions(options.request_bytes, counts, time.monotonic() - began))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="CPU, latency and memory of the gateway beside a bare byte relay.")
    parser.add_argument("--targets", type=_targets, default=_TARGETS, help="relay,anyclaude or one of them")
    parser.add_argument("--anyclaude", metavar="PATH", help="the command to measure (default: beside this Python)")
    parser.add_argument("--request-bytes", type=_positive, default=85_000)
    parser.add_argument("--turns", type=int, default=0, help="rounds of tool calls in the request's history")
    parser.add_argument("--rounds", type=_positive, default=5)
    parser.add_argument("--requests", type=_positive, default=40, help="tiny answers a round")
    parser.add_argument("--answers", type=_positive, default=3, help="long answers a round, text and tool each")
    parser.add_argument("--chunks", type=_long, default=3000, help="chunks of a long answer")
    parser.add_argument("--burst", type=_positive, default=50, help="chunks that the upstream writes at once")
    parser.add_argument("--streams", type=_positive, default=50, help="streams at once")
    parser.add_argument("--json", action="store_true", help="print every value as JSON")
    return parser.parse_args()


def _targets(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if not set(names) <= set(_TARGETS) or len(set(names)) != len(names):
        raise argparse.ArgumentTypeError(f"{text!r} is not one or more of {', '.join(_TARGETS)}")
    return names


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number


def _long(text: str) -> int:
    if (number := int(text)) < 10:
        raise argparse.ArgumentTypeError(f"{text} is not 10 or more")
    return number


def _conditions(request_bytes: int, counts: Counts, seconds: float) -> str:
    load = os.getloadavg()[0]
    return (
        f"\n{request_bytes} byte requests; {counts.rounds} rounds of {counts.requests} requests, "
        f"2 x {counts.answers} answers of {counts.chunks} chunks in bursts of {counts.burst}, "
        f"{counts.streams} streams at once; {os.cpu_count()} CPUs, load {load:.1f}, {seconds:.0f} s"
    )


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
