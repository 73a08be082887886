"""The benches themselves run: tiny runs, and their refusals. Figures are not judged here."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts" / "bench"
TINY = ["--targets", "relay", "--rounds", "1", "--requests", "2", "--answers", "1", "--chunks", "40", "--streams", "3"]


def bench(*arguments: str, script: str = "gateway.py") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPTS / script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_tiny_run_over_the_relay_gives_every_figure() -> None:
    ended = bench(*TINY, "--json")
    assert ended.stderr == ""
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
