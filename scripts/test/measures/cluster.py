"""R18: real workers killed under load, as the whole proxy sees it.

python scripts/test/measures/cluster.py [--scale 0.02]
"""

import asyncio
import tempfile
from pathlib import Path

import measuring
from tests.support import tiny_model
from tests.support.cluster_kills import Result, kill_nodes
from tests.support.worker_nodes import worker_nodes

KILLS = 100
NODES = 3
SOONEST = 5.0  # seconds


def main() -> None:
    kills = max(1, round(KILLS * measuring.scale(__doc__)))
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        model = tiny_model.build(Path(folder) / "model").folder
        with worker_nodes(Path(folder), model, NODES) as nodes:
            result = asyncio.run(kill_nodes(nodes, kills))
    measuring.tell({"R18": {"measured": _told(result), "met": not result.lost and result.elsewhere < SOONEST}})


def _told(result: Result) -> str:
    requests, cut = sum(result.outcomes.values()), result.outcomes["cut"]
    return (
        f"{result.kills} kills, {requests} requests: {result.lost} lost, {cut} cut with one error each; "
        f"elsewhere within {result.elsewhere:.2f} s; at most {result.herd} requests at a node before its first word"
    )


if __name__ == "__main__":
    main()
