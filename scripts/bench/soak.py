"""Thousands of mixed requests to the real worker: whether each ends rightly, and what of memory comes back.

    python scripts/bench/soak.py [--requests 3000] [--together 8]

A tiny model is trained on the spot (some twenty seconds), so that right answers are known. How to read it:
docs/reference/worker.md.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import mlx.core as mx
import psutil
import question  # noqa: F401  (makes the tests' parts importable)
from tests.support import tiny_model
from tests.support.soak import Soak
from tests.support.worker import Worker, real_worker


def main() -> int:
    parser = argparse.ArgumentParser(description="Thousands of mixed requests to the real worker.")
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--together", type=int, default=8)
    parser.add_argument("--cache-bytes", type=int, default=8_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        model = tiny_model.build_trained(Path(folder) / "model").folder
        limits = {"cache_bytes": options.cache_bytes, "max_queue": 4 * options.together}
        disk = {"disk_cache_dir": Path(folder) / "disk", "disk_cache_bytes": 4 * options.cache_bytes}
        with real_worker(model, **limits, **disk) as worker:
            return _soak(worker, options)


def _soak(worker: Worker, options: argparse.Namespace) -> int:
    soak = Soak(worker)
    soak.run(200, options.together)
    _figures("before", worker)
    began = time.monotonic()
    soak.run(options.requests, options.together, seed=2)
    print(f"{options.requests} requests in {time.monotonic() - began:.0f} s: {dict(soak.outcomes)}")
    _figures("after", worker)
    for wrong in soak.wrong[:20]:
        print(wrong, file=sys.stderr)
    return int(bool(soak.wrong))


def _figures(when: str, worker: Worker) -> None:
    status = worker.until(lambda status: status.active == status.waiting == 0)
    worker.engine.drop_cache().result(30)
    rss = psutil.Process().memory_info().rss / 1e6
    print(f"{when}: MLX {mx.get_active_memory() / 1e6:.2f} MB, resident {rss:.0f} MB, failed {status.failed}")


if __name__ == "__main__":
    sys.exit(main())
