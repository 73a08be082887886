"""R3: fuzzing: python scripts/test/measures/fuzz.py [--scale F] [--target decoder] [--plain]

Each target of `tests/support/fuzzing` for 90 seconds at scale 1. Where atheris is
installed (`pip install atheris`; Linux, Python 3.11 to 3.13) it is guided by coverage; else inputs are changed at
random. An input that breaks something is kept in `.cache/fuzz`.
"""

import argparse
import importlib.util
import json
import random
import re
import resource
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))

SECONDS = 90.0
LONGEST = 2000
MEGABYTES = 200.0
TOGETHER = 2
KEPT = ROOT / ".cache" / "fuzz"
TARGETS = ("decoder", "chunks", "scanner", "request", "config", "answer")


@dataclass(frozen=True)
class Ran:
    """peak: megabytes of memory at most."""

    target: str
    runs: int
    peak: float
    wrong: str


def main() -> None:
    options = _options()
    KEPT.mkdir(parents=True, exist_ok=True)
    if options.child:
        _guided(options.child, options.seconds)
        return
    guided = not options.plain and importlib.util.find_spec("atheris") is not None
    seconds = SECONDS * options.scale
    targets = [options.target] if options.target else list(TARGETS)
    with ThreadPoolExecutor(TOGETHER if guided else 1) as pool:
        ran = list(pool.map(lambda target: (_ran if guided else _plain)(target, seconds), targets))
    for one in ran:
        print(f"{one.target}: {one.runs:,} runs, {one.peak:.0f} MB, {one.wrong or 'nothing wrong'}", file=sys.stderr)
    print(json.dumps({"R3": _figure(ran, guided)}))


def _ran(target: str, seconds: float) -> Ran:
    """By a child: libFuzzer ends the process that it runs in."""
    command = [sys.executable, __file__, "--child", target, "--seconds", str(max(1.0, seconds))]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=seconds * 3 + 120, check=False)
    said = ended.stdout + ended.stderr
    runs = max((int(count) for count in re.findall(r"(?:Done |^#)(\d+)", said, re.MULTILINE)), default=0)
    peaks = re.findall(r"peak_rss_mb:\s+(\d+)", said)
    wrong = "" if ended.returncode == 0 else _last_error(said)
    return Ran(target, runs, float(peaks[-1]) if peaks else 0.0, wrong)


def _last_error(said: str) -> str:
    errors = [line for line in said.splitlines() if re.match(r"^\s*\w+(Error|Exception|Exit)\b", line)]
    return (errors or said.splitlines() or ["?"])[-1].strip()[:300]


def _figure(ran: list[Ran], guided: bool) -> dict[str, object]:
    wrong = [f"{one.target}: {one.wrong}" for one in ran if one.wrong]
    how = "guided by coverage" if guided else "changed at random"
    counts = ", ".join(f"{one.target} {one.runs:,}" for one in ran)
    peak = max(one.peak for one in ran)
    runs = sum(one.runs for one in ran)
    measured = f"{runs:,} runs, {how} ({counts}): {len(wrong)} unexpected, RSS at most {peak:.0f} MB"
    figure: dict[str, object] = {"measured": measured, "met": not wrong and peak < MEGABYTES and runs > 0}
    return figure | ({"note": "; ".join(wrong)} if wrong else {})


def _plain(target: str, seconds: float) -> Ran:
    """Inputs changed at random, always the same ones; the first that breaks something ends it."""
    from tests.support.fuzzing import SEEDS, TARGETS

    chosen, runs = random.Random(target), 0
    end = time.monotonic() + seconds
    while runs == 0 or time.monotonic() < end:
        given, runs = changed(chosen, SEEDS), runs + 1
        try:
            TARGETS[target](given)
        except Exception as error:  # whatever it is, it is what is looked for
            (KEPT / f"{target}-plain").write_bytes(given)
            traceback.print_exc()
            return Ran(target, runs, _peak(), f"{type(error).__name__}: {error}"[:300])
    return Ran(target, runs, _peak(), "")


def changed(chosen: random.Random, seeds: Sequence[bytes]) -> bytes:
    """A seed or random bytes, with a few changes."""
    base = chosen.choice(seeds) if chosen.random() < 0.3 else chosen.randbytes(chosen.randrange(400))
    given = bytearray(base)
    for _ in range(chosen.randrange(8) if given else 0):
        given[chosen.randrange(len(given))] = chosen.randrange(256)
    return bytes(given)


def _peak() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)


def _guided(name: str, seconds: float) -> None:
    import atheris

    with atheris.instrument_imports(include=["anyclaude"]):
        from tests.support.fuzzing import SEEDS, TARGETS
    corpus = KEPT / f"{name}-corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(SEEDS):
        (corpus / f"seed-{number}").write_bytes(seed)
    bounds = [f"-max_total_time={round(seconds)}", f"-max_len={LONGEST}", "-rss_limit_mb=1024", "-print_final_stats=1"]
    atheris.Setup([__file__, *bounds, f"-artifact_prefix={KEPT}/{name}-", str(corpus)], TARGETS[name])
    atheris.Fuzz()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--scale", type=float, default=1.0, help="part of the whole time (default 1)")
    parser.add_argument("--target", choices=TARGETS, help="only this one")
    parser.add_argument("--plain", action="store_true", help="at random, also where atheris is installed")
    parser.add_argument("--child", choices=TARGETS, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=1.0, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
