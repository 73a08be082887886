"""The scoreboard as it is run: figures are kept, told in a page, and not taken twice."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def _scoreboard(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    places = ["--kept", str(folder / "kept.json"), "--page", str(folder / "page.md")]
    command = [sys.executable, str(ROOT / "scripts/test/scoreboard.py"), *places, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=110)


def test_a_measure_is_kept_told_and_not_taken_again(tmp_path: Path) -> None:
    once = _scoreboard(tmp_path, "--only", "R17", "--scale", "0.03")
    assert "scoreboard: configs" in once.stderr
    kept = json.loads((tmp_path / "kept.json").read_text())["configs"]
    assert kept["figures"]["R17"]["measured"] in (tmp_path / "page.md").read_text()
    assert once.returncode == int(not kept["figures"]["R17"]["met"])
    again = _scoreboard(tmp_path, "--only", "R17", "--scale", "0.02")
    assert "scoreboard: configs" not in again.stderr
    assert again.stdout == once.stdout


def test_a_row_that_is_none_is_said_by_name(tmp_path: Path) -> None:
    refused = _scoreboard(tmp_path, "--only", "R99")
    assert refused.returncode == 2
    assert "there is no row R99" in refused.stderr


def test_every_row_has_a_measure(tmp_path: Path) -> None:
    listed = _scoreboard(tmp_path, "--list").stdout
    programs = {line.split()[0] for line in listed.splitlines()}
    measures = {path.stem for path in (ROOT / "scripts/test/measures").glob("*.py")}
    assert len(programs) >= 17
    assert programs <= measures
