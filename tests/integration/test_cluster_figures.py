"""The plots of the simulated clusters show what the tables beside them say."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "bench" / "cluster_sim_plots.py"
DRAWN = ROOT / "docs" / "architecture" / "figures"


def drawn(folder: Path, *arguments: str) -> dict[str, str]:
    subprocess.run([sys.executable, str(SCRIPT), *arguments, "--to", str(folder)], timeout=60, check=True)
    return {file.name: file.read_text() for file in folder.iterdir()}


def test_the_plots_are_of_the_tables_in_the_document(tmp_path: Path) -> None:
    assert drawn(tmp_path) == {file.name: file.read_text() for file in DRAWN.iterdir()}


def test_another_figure_in_a_table_is_another_plot(tmp_path: Path) -> None:
    document = tmp_path / "cluster.md"
    text = (ROOT / "docs" / "architecture" / "cluster.md").read_text()
    first = next(line for line in text.splitlines() if line.startswith("| 3 equal | cache-aware |"))
    cells = first.split(" | ")
    document.write_text(text.replace(first, " | ".join([*cells[:2], "777.7 s", *cells[3:]])))
    folder = tmp_path / "drawn"
    name = "cluster-first-token.svg"
    assert drawn(folder, str(document))[name] != (DRAWN / name).read_text()
