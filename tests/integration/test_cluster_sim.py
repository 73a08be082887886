"""What the strategies are worth, in the simulation: the same conversations for each, seeds fixed."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "bench" / "cluster_sim.py"


def ran(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)


def simulated(*arguments: str) -> dict[str, list[float]]:
    """By strategy: seconds to the first token (mean, p95, p99, mean of small ones), then the share from the cache."""
    return read(ran(*arguments))


def read(ended: subprocess.CompletedProcess[str]) -> dict[str, list[float]]:
    rows = [line.strip("| ").split(" | ") for line in ended.stdout.splitlines() if line.startswith("| ")]
    return {row[1]: [float(cell.split()[0]) for cell in row[2:7]] for row in rows[1:]}


def test_cache_aware_is_five_times_quicker_than_round_robin_on_equal_nodes() -> None:
    found = simulated("--fleet", "3 equal", "--seeds", "3")
    mean, share = 0, 4
    assert found["round-robin"][mean] >= 5 * found["cache-aware"][mean]
    assert found["least-loaded"][mean] >= 3 * found["cache-aware"][mean]
    assert found["cache-aware"][share] >= 90 > found["round-robin"][share]


def test_unequal_nodes_are_no_harm() -> None:
    found = simulated("--fleet", "big, mid, small", "--seeds", "2")
    assert found["cache-aware"][0] == min(row[0] for row in found.values())
    assert found["cache-aware"][4] >= 90


def test_two_proxies_that_share_nothing_hit_as_well_as_one() -> None:
    one = simulated("--fleet", "3 equal", "--seeds", "3", "--strategy", "cache-aware")["cache-aware"]
    two = simulated("--fleet", "3 equal, 2 proxies", "--seeds", "3", "--strategy", "cache-aware")["cache-aware"]
    assert two[4] >= one[4] - 1
    assert two[0] <= 1.25 * one[0]


def test_what_a_degraded_node_counts_for_spares_failures_and_costs_no_time() -> None:
    arguments = ("--strategy", "cache-aware", "--seeds", "4", "--fleet")
    judged, not_judged = (ran(*arguments, name) for name in ("3 equal, 1 flaky", "1 flaky, not judged"))
    assert _asked_again(judged) <= 0.8 * _asked_again(not_judged)
    assert read(judged)["cache-aware"][0] <= 1.1 * read(not_judged)["cache-aware"][0]


def _asked_again(ended: subprocess.CompletedProcess[str]) -> int:
    """What is told on stderr of requests that failed."""
    return int(ended.stderr.partition("cache-aware: ")[2].split()[0])


def test_a_run_can_be_repeated() -> None:
    arguments = ("--fleet", "3 equal, 5 failures", "--seeds", "1", "--strategy", "cache-aware")
    assert simulated(*arguments) == simulated(*arguments)


def test_the_costs_of_a_decision_are_told() -> None:
    command = [sys.executable, str(SCRIPT), "--scale", "--nodes", "3", "--nodes", "16"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    assert [line.split(" | ")[0] for line in ended.stdout.splitlines()[2:]] == ["| 3", "| 16"]
