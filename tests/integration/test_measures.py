"""The measures of the scoreboard that do more than repeat a table of the tests run, each at a tiny scale.

It is not judged here what they find.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

MEASURES = Path(__file__).resolve().parents[2] / "scripts" / "test" / "measures"


@pytest.mark.long
@pytest.mark.parametrize(
    ("program", "scale", "rows"),
    [
        ("fuzz", 0.001, {"R3"}),
        ("cancels", 0.002, {"R4", "R5"}),
        ("readers", 0.001, {"R7"}),
        ("overhead", 0.002, {"R10"}),
        ("worker", 0.01, {"R6", "R19"}),
    ],
)
def test_a_measure_ends_in_its_figures(program: str, scale: float, rows: set[str]) -> None:
    command = [sys.executable, str(MEASURES / f"{program}.py"), "--scale", str(scale)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=110, check=True)
    figures = json.loads(ended.stdout.splitlines()[-1])
    assert set(figures) == rows
    for figure in figures.values():
        assert figure["measured"]
        assert isinstance(figure["met"], bool)


@pytest.mark.long
def test_a_few_tests_in_random_order_beside_busy_loops() -> None:
    command = [
        sys.executable,
        str(MEASURES / "flakes.py"),
        "--fresh",
        "--minutes",
        "0",
        "tests/unit/wire/test_proof.py",
    ]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=110, check=True)
    assert json.loads(ended.stdout.splitlines()[-1])["R20"]["met"]
