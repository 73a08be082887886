"""The benches themselves run: tiny runs, and their refusals. Figures are not judged here."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts" / "bench"
TINY = ["--targets", "relay", "--rounds", "1", "--requests", "2", "--answers", "1", "--chunks", "40", "--streams", "3"]


def bench(*arguments: str, script: str = "gateway.py", seconds: float = 60) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPTS / script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)


def test_a_tiny_run_over_the_relay_gives_every_figure() -> None:
    ended = bench(*TINY, "--json")
    assert ended.stderr == "round 1 of 1\n"
    relay = json.loads(ended.stdout)["targets"]["relay"]
    assert relay["table"]["CPU a request, tiny answer"]["value"] > 0
    assert relay["table"]["streams at once: errors"]["value"] == 0
    assert relay["table"]["memory at the end"]["value"] > 1
    assert len(relay["rounds"]["added_ms"]) == 2


def test_the_table_names_its_conditions() -> None:
    ended = bench(*TINY)
    assert "85000 byte requests; 1 rounds of 2 requests" in ended.stdout
    assert "CPU a chunk, tool arguments in bursts (µs)" in ended.stdout


def test_a_gateway_that_does_not_start_is_one_sentence() -> None:
    ended = bench("--targets", "anyclaude", "--anyclaude", "/nowhere/anyclaude")
    assert ended.returncode == 2
    assert ended.stderr.startswith("bench: anyclaude cannot be started: ")
    assert ended.stderr.count("\n") == 1


def test_a_few_cancels_are_timed_at_every_moment() -> None:
    ended = bench("--times", "2", script="cancel.py")
    assert ended.stderr == ""
    lines = ended.stdout.splitlines()
    assert [line.split(" at once")[0].split() for line in lines] == [
        [*moment.split(), together]
        for moment in ("before the head", "in the prompt", "in mid-stream")
        for together in ("1", "50")
    ]


def test_an_index_of_a_few_traces_is_measured() -> None:
    ended = bench("--traces", "20", script="traces.py")
    figures = json.loads(ended.stdout)
    assert figures["traces"] == 20
    assert figures["traces_mb"] > figures["index_mb"] > 0


@pytest.mark.long
@pytest.mark.timeout(300)
def test_strategies_are_measured_on_real_workers() -> None:
    small = ["--sessions", "2", "--turns", "2", "--size", "0.06", "--arrivals", "0", "--thinking", "0"]
    compared = ["--nodes", "2", "--strategies", "cache-aware,round-robin"]
    ended = bench(*compared, *small, script="cluster.py", seconds=280)
    assert ended.returncode == 0, ended.stderr
    rows = [line.split(" | ") for line in ended.stdout.splitlines() if line.startswith("| ")]
    assert [row[0].strip("| ") for row in rows] == 2 * ["strategy", "cache-aware", "round-robin"]
    assert all(float(row[5].split()[0]) > 0 for row in rows[1:3]), "nothing came from the caches"
    for times, causes in zip(rows[1:3], rows[4:], strict=True):
        computed = sum(int(cell.strip(" |")) for cell in causes[1:])
        assert abs(computed - int(times[6].split()[0])) <= 4, "each computed token has one cause"
    assert "round-robin: " in ended.stdout


def test_computed_tokens_are_told_by_their_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(SCRIPTS)
    causes, report = (importlib.import_module(name) for name in ("cluster_causes", "cluster_report"))
    turns = [
        report.Answer("a", "main", node, "", at, 1.0, prompt, cached, 50, False)
        for at, (node, prompt, cached) in enumerate(
            [
                ("n0", 1300, 0),  # the prefix of 1,000 for the first time, 300 new
                ("n0", 1500, 1350),  # 150 new
                ("n0", 1700, 1500),  # 150 new, the answer of 50 again
                ("n1", 2000, 0),  # 250 new, the prefix at another node, 750 of history
                ("n1", 2200, 1000),  # 150 new, 1,050 that had gone there
                ("n1", 2400, 0),  # 150 new, with the prefix this time
            ]
        )
    ]
    assert causes.computed(turns, {"main": 1000}) == {
        "new": 300 + 150 + 150 + 250 + 150 + 150,
        "prefix": 2000,
        "prefix again": 1000,
        "answer again": 50,
        "moved": 750,
        "lost at home": 1050 + 1250,
    }


def test_an_unknown_strategy_is_refused() -> None:
    ended = bench("--strategies", "cache-aware,lucky", script="cluster.py")
    assert ended.returncode == 2
    assert "no such strategy: lucky" in ended.stderr


@pytest.mark.long
@pytest.mark.timeout(300)
def test_one_figure_of_one_worker_can_be_measured() -> None:
    small = ["--rounds", "1", "--turns", "2", "--system-bytes", "300", "--servers", "mlx_worker", "--json"]
    ended = bench("--models", "qwen2", "--only", "computed", *small, script="worker.py", seconds=280)
    assert ended.returncode == 0, ended.stderr
    figures = json.loads(ended.stdout)["qwen2"]["mlx_worker"]
    assert list(figures) == ["computed"]
    assert figures["computed"]["median"] >= 1


def test_an_unknown_figure_is_refused() -> None:
    ended = bench("--only", "charm", script="worker.py")
    assert ended.returncode == 2
    assert "no such figure: charm" in ended.stderr
