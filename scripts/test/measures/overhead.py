"""R10: what the proxy adds: python scripts/test/measures/overhead.py [--scale F]

From scripts/bench/gateway.py, which asks an upstream directly and through the proxy by turns: the time to the first
content over the median of the direct ones, and the CPU time of an event of a long answer.
"""

import json
import statistics
import subprocess
import sys
from pathlib import Path

from measuring import scale, tell
from proxied import percentile

GATEWAY = Path(__file__).resolve().parents[2] / "bench" / "gateway.py"
ROUNDS = 10
REQUESTS = 100
CHUNKS = 3000
_WHY = "reading, checking, converting and sending on 85 kB takes that; [where the time goes](performance.md)"


def main() -> None:
    part = scale(__doc__)
    counts = {
        "--rounds": max(1, round(ROUNDS * part)),
        "--requests": max(5, round(REQUESTS * min(1.0, 10 * part))),
        "--chunks": max(100, round(CHUNKS * min(1.0, 10 * part))),
        "--answers": 1 if part < 0.1 else 3,
        "--streams": 2,
    }
    options = [text for name, count in counts.items() for text in (name, str(count))]
    command = [sys.executable, str(GATEWAY), "--targets", "relay,anyclaude", "--json", *options]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=600, check=True)
    rounds = json.loads(ended.stdout)["targets"]
    ours, relay = rounds["anyclaude"]["rounds"], rounds["relay"]["rounds"]
    p50, p99 = statistics.median(ours["added_ms"]), percentile(ours["added_ms"], 0.99)
    event = max(statistics.median(ours[kind]) for kind in ("text_chunk_us", "tool_chunk_us")) / 1000
    bare = statistics.median(relay["added_ms"]), percentile(relay["added_ms"], 0.99)
    measured = f"first byte p50 {p50:.2f} ms, p99 {p99:.2f} ms (a bare relay {bare[0]:.2f} and {bare[1]:.2f})"
    met = p50 < 2 and p99 < 10 and event < 0.2
    figure: dict[str, object] = {"measured": f"{measured}; {event:.3f} ms of CPU an event", "met": met}
    tell({"R10": figure if met else figure | {"note": _WHY}})


if __name__ == "__main__":
    main()
