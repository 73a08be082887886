"""The plots of how the cost grows show what the tables beside them say."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "bench" / "growth_plots.py"
DRAWN = ROOT / "docs" / "reference" / "figures"


def test_the_plots_are_of_the_tables_in_the_document(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(SCRIPT), "--to", str(tmp_path)], timeout=60, check=True)
    drawn = {file.name: file.read_text() for file in tmp_path.iterdir()}
    assert drawn == {file.name: file.read_text() for file in DRAWN.glob("growth-*")}
    assert len(drawn) == 5
