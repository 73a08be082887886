"""What every measure begins and ends with. Importing it makes the tests' parts importable."""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))


def scale(what: str | None) -> float:
    """Of `--scale`: the part of the whole counts to run. what: the measure's docstring."""
    parser = argparse.ArgumentParser(description=(what or "").partition("\n")[0])
    parser.add_argument("--scale", type=float, default=1.0, help="part of the whole counts (default 1)")
    chosen: float = parser.parse_args().scale
    return chosen


def tell(figures: Mapping[str, Mapping[str, Any]]) -> None:
    """The last line of the output, which the scoreboard reads: for each row `measured`, `met`, and perhaps a `note`."""
    print(json.dumps(figures), flush=True)
