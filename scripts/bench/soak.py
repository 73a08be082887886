"""Thousands of mixed requests to the real worker: whether each ends rightly, and what of memory comes back.

    python scripts/bench/soak.py [--requests 3000] [--together 8] [--kinds known,leave] [--every 500]

The worker is a process of its own, so that the memory is its own. A tiny model is trained on the spot (some twenty
seconds), so that right answers are known. With `--kinds` only these, to find which of them costs what. How to read it:
docs/reference/worker.md.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import question  # noqa: F401  (makes the tests' parts importable)
from failure import BenchError
from tests.support import tiny_model
from tests.support.soak import WEIGHTS, Soak
from worker_servers import OURS, start

_REST_SECONDS = 60.0


def main() -> int:
    options = _options()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-")))
        model = tiny_model.build_trained(folder / "model").folder
        try:
            server = start(OURS, model, stack, _settings(options, folder / "disk"))
            wrong = _soak(f"http://127.0.0.1:{server.port}", options)
            print(f"{server.child.cpu_seconds():.0f} s of CPU time in all")
            return int(wrong)
        except BenchError as error:
            print(f"bench: {error}", file=sys.stderr)
            return 2


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Thousands of mixed requests to the real worker.")
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--together", type=int, default=8)
    parser.add_argument("--cache-bytes", type=int, default=8_000_000)
    parser.add_argument("--every", type=int, default=500, help="requests between two looks at the memory")
    parser.add_argument("--kinds", type=_kinds, default=WEIGHTS, help=f"some of: {', '.join(WEIGHTS)}")
    return parser.parse_args()


def _kinds(text: str) -> Mapping[str, int]:
    chosen = {kind: WEIGHTS.get(kind, 0) for kind in text.split(",")}
    if not all(chosen.values()):
        raise argparse.ArgumentTypeError(f"there are {', '.join(WEIGHTS)}")
    return chosen


def _settings(options: argparse.Namespace, disk: Path) -> dict[str, str]:
    return {
        "MLX_CACHE_BYTES": str(options.cache_bytes),
        "MLX_MAX_QUEUE": str(4 * options.together),
        "MLX_DISK_CACHE_DIR": str(disk),
        "MLX_DISK_CACHE_BYTES": str(4 * options.cache_bytes),
    }


def _soak(url: str, options: argparse.Namespace) -> bool:
    soak = Soak(url, options.kinds)
    print(f"warming up, then a line every {options.every} requests", file=sys.stderr)
    soak.run(200, options.together)
    _figures("after 200 to warm up", url)
    soak.outcomes.clear()
    done, began = 0, time.monotonic()
    while done < options.requests:
        count = min(options.every, options.requests - done)
        soak.run(count, options.together, seed=2 + done)
        done += count
        _figures(f"{done:5} requests", url)
    print(f"{done} requests in {time.monotonic() - began:.0f} s: {dict(soak.outcomes)}")
    for wrong in soak.wrong[:20]:
        print(wrong, file=sys.stderr)
    return bool(soak.wrong)


def _figures(when: str, url: str) -> None:
    """At rest, and with the prefix cache forgotten: what is left is what did not come back."""
    _until_rest(url)
    httpx.delete(f"{url}/cache", timeout=_REST_SECONDS).raise_for_status()
    now = _health(url)
    memory = {name: f"{size / 1e6:.1f}" for name, size in now["memory"].items()}
    print(f"{when}: resident {memory['resident']} MB, MLX {memory['active']} and kept for reuse {memory['cached']} MB")


def _until_rest(url: str) -> None:
    until = time.monotonic() + _REST_SECONDS
    while (now := _health(url))["active"] or now["waiting"]:
        if time.monotonic() > until:
            raise BenchError(f"not at rest after {_REST_SECONDS:.0f} s: {now}")
        time.sleep(0.1)


def _health(url: str) -> Any:
    return httpx.get(f"{url}/health", timeout=_REST_SECONDS).json()


if __name__ == "__main__":
    sys.exit(main())
