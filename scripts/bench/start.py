"""How long a start takes: `anyclaude --version`, and `anyclaude --proxy-only` until it takes requests.

    python scripts/bench/start.py [--times 10] [--anyclaude PATH]

Median and best, wall time and CPU time, with the upstream of the bench, which answers at once.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack

from failure import BenchError
from targets import installed_anyclaude, start_proxy, start_upstream

Measured = tuple[float, float]
"""Seconds: on the wall, and of CPU."""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--anyclaude", metavar="PATH", help="the command to measure (default: beside this Python)")
    options = parser.parse_args()
    try:
        command = options.anyclaude or installed_anyclaude()
        with ExitStack() as stack:
            _, upstream = start_upstream(stack)
            _print("anyclaude --version", [_version(command) for _ in range(options.times)])
            _print("a proxy is ready", [_ready(command, upstream) for _ in range(options.times)])
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    return 0


def _version(command: str) -> Measured:
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([command, "--version"], check=True, capture_output=True)
    took, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _ready(command: str, upstream: str) -> Measured:
    with ExitStack() as stack:
        began = time.perf_counter()
        child, _, _ = start_proxy(upstream, command, stack)
        return time.perf_counter() - began, child.cpu_seconds()


def _print(what: str, measured: list[Measured]) -> None:
    wall, cpu = zip(*measured, strict=True)
    print(f"{what:<22} wall {_said(wall)}, CPU {_said(cpu)}")


def _said(seconds: tuple[float, ...]) -> str:
    return f"{statistics.median(seconds) * 1e3:.0f} ms (best {min(seconds) * 1e3:.0f})"


if __name__ == "__main__":
    sys.exit(main())
