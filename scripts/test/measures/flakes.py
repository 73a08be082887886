"""R20: the suite again and again, in random order, while something else keeps every core busy.

    python scripts/test/measures/flakes.py [--scale F] [--minutes M] [--fresh] [PATH ...]

As many runs as fit into the time (ten minutes at scale 1), of the parts that have processes, sockets and threads, or of
the paths named. What was run is kept in .cache/flakes.json, so that the next call adds to it; a change of src or tests
begins anew. A run that is broken off by the end of the time counts only where it failed.
"""

import argparse
import hashlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[3]
KEPT: Final = ROOT / ".cache/flakes.json"
MINUTES: Final = 10.0
PATHS: Final = tuple(f"tests/integration/{name}" for name in ("launch", "trace", "server", "cli"))
BUSY: Final = 2
FIRST: Final = 900.0
"""Seconds that the first run of a call has at least."""
OLDEST: Final = 200
"""Runs that are kept."""


def main(scale: float, minutes: float | None, paths: Sequence[str], *, fresh: bool) -> None:
    version = _version(paths)
    kept = json.loads(KEPT.read_text()) if KEPT.exists() and not fresh else {}
    runs: list[dict[str, Any]] = kept["runs"] if kept.get("of") == version else []
    before = len(runs)
    end = time.monotonic() + 60 * (MINUTES * scale if minutes is None else minutes)
    with _busy():
        while len(runs) == before or time.monotonic() < end:
            one = _run(paths, max(end - time.monotonic(), FIRST if len(runs) == before else 0))
            if one is None:
                break
            runs.append(one)
            if not fresh:
                KEPT.parent.mkdir(exist_ok=True)
                KEPT.write_text(json.dumps({"of": version, "runs": runs[-OLDEST:]}, indent=1))
    print(json.dumps({"R20": _figure(runs)}))


def _run(paths: Sequence[str], seconds: float) -> dict[str, Any] | None:
    """None when the time was over before anything failed."""
    seed = secrets.token_hex(4)
    environ = {**os.environ, "SHUFFLE": seed, "PYTHONPATH": str(Path(__file__).parent)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "shuffled", "-p", "no:cacheprovider", "--tb=short"]
    command += ["-o", "timeout=400", "-rf", *paths]
    began = time.monotonic()
    pipe, same = subprocess.PIPE, subprocess.STDOUT
    started = subprocess.Popen(
        command, cwd=ROOT, env=environ, stdout=pipe, stderr=same, text=True, start_new_session=True
    )
    try:
        said, _ = started.communicate(timeout=seconds)
        over = False
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)
        said, _ = started.communicate()
        over = True
    failed = sorted({line.split()[1] for line in said.splitlines() if line.startswith(("FAILED ", "ERROR "))})
    if over and not failed and not any(" F" in line or line.startswith("F") for line in said.splitlines()):
        return None
    if started.returncode not in (0, 1) and not over:
        sys.exit(f"pytest could not run:\n{said[-4000:]}")
    took = round(time.monotonic() - began)
    print(f"seed {seed}: {took} s, failed: {failed or 'nothing'}", file=sys.stderr, flush=True)
    if failed:
        print(said[-6000:], file=sys.stderr, flush=True)
    return {"seed": seed, "seconds": took, "failed": failed}


def _figure(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    failed = sorted({name for run in runs for name in run["failed"]})
    bad = sum(bool(run["failed"]) for run in runs)
    figure = {"measured": f"{len(runs)} runs beside {BUSY} busy loops: {bad} with a failure", "met": not bad}
    return figure | ({"note": ", ".join(failed)} if failed else {})


@contextmanager
def _busy() -> Iterator[None]:
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(BUSY)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def _version(paths: Sequence[str]) -> str:
    """Changes with the product, the tests and what is run of them."""
    digest = hashlib.sha256(json.dumps(list(paths)).encode())
    for words in (["ls-files", "-s"], ["diff", "HEAD"]):
        said = subprocess.run(["git", *words, "--", "src", "tests"], cwd=ROOT, capture_output=True, check=True).stdout
        digest.update(said)
    return digest.hexdigest()[:16]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--fresh", action="store_true", help="neither go on with what is kept nor keep anything")
    parser.add_argument("paths", nargs="*", default=list(PATHS), metavar="PATH")
    given = parser.parse_args()
    main(given.scale, given.minutes, given.paths, fresh=given.fresh)
