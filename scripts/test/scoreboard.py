"""The reliability scoreboard: what is promised, what was measured, and the command; as a table in the documentation.

    python scripts/test/scoreboard.py [--only R4,R5] [--scale 0.1] [--again] [--list]

Each measure is a program of its own in `scripts/test/measures`: it takes `--scale` (1 is the whole count of its
target) and ends its output with one line of JSON, `{"R4": {"measured": "...", "met": true, "note": "..."}}`. What was
measured is kept as soon as it is known, so that a run that was broken off goes on where it was; a measure is taken
anew when `src` or its own program has changed since, or was measured at a smaller scale. The exit code is 1 when a
target is missed.
"""

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from promises import ROWS, Row

ROOT: Final = Path(__file__).resolve().parents[2]
MEASURES: Final = Path(__file__).with_name("measures")
KEPT: Final = ROOT / ".cache/scoreboard.json"
PAGE: Final = ROOT / "docs/reference/reliability.md"
DEADLINE: Final = 1800.0  # seconds for one program


def main() -> int:
    options = _options()
    kept = json.loads(options.kept.read_text()) if options.kept.exists() else {}
    for program in dict.fromkeys(row.program for row in options.only):
        if options.list:
            print(f"{program:14} {'measured' if _stands(kept.get(program), program, options.scale) else 'to do'}")
        elif options.again or not _stands(kept.get(program), program, options.scale):
            kept[program] = _measured(program, options.scale)
            _keep(kept, options.kept)
    if not options.list:
        options.page.write_text(page(kept))
        print(_told(options.only, kept))
    return int(any(not figure["met"] for _, figure in _figures(options.only, kept)))


def _measured(program: str, scale: float) -> dict[str, Any]:
    """What the measure said, with the conditions it was taken under. A measure that breaks is told as missed."""
    began = time.monotonic()
    print(f"scoreboard: {program} ...", file=sys.stderr, flush=True)
    command = [sys.executable, str(MEASURES / f"{program}.py"), "--scale", f"{scale:g}"]
    try:
        ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=DEADLINE, check=True, cwd=ROOT)
        figures = json.loads(ran.stdout.splitlines()[-1])
    except (subprocess.SubprocessError, ValueError, IndexError) as error:
        missed = {"measured": f"not measured: {type(error).__name__}", "met": False}
        figures = {row.id: missed for row in ROWS if row.program == program}
    seconds = round(time.monotonic() - began)
    return {"of": _version(program), "at": _commit(), "scale": scale, "seconds": seconds, "figures": figures}


def _commit() -> str:
    """The commit that was measured, with a `+` where files had changed since."""
    described = ["git", "describe", "--always", "--dirty=+", "--exclude", "*"]
    return subprocess.run(described, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def _stands(kept: Mapping[str, Any] | None, program: str, scale: float) -> bool:
    return kept is not None and kept["of"] == _version(program) and kept["scale"] >= scale


def _version(program: str) -> str:
    """Changes with the product and with the measure."""
    source = subprocess.run(
        ["git", "ls-files", "-s", "--", "src"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    changed = subprocess.run(["git", "diff", "HEAD", "--", "src"], cwd=ROOT, capture_output=True, check=True).stdout
    parts = (source.encode(), changed, (MEASURES / f"{program}.py").read_bytes())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _keep(kept: Mapping[str, Any], path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(kept, indent=1))
    draft.replace(path)


def _figures(rows: Sequence[Row], kept: Mapping[str, Any]) -> Iterator[tuple[Row, dict[str, Any]]]:
    for row in rows:
        if (figure := kept.get(row.program, {}).get("figures", {}).get(row.id)) is not None:
            yield row, figure


def _told(rows: Sequence[Row], kept: Mapping[str, Any]) -> str:
    lines = [
        f"{row.id:4} {'met   ' if one['met'] else 'MISSED'} {one['measured']}" for row, one in _figures(rows, kept)
    ]
    return "\n".join(lines)


def page(kept: Mapping[str, Any]) -> str:
    """docs/reference/reliability.md, from what is kept."""
    lines = [_HEAD, "| # | what | target | measured | | at |", "|---|---|---|---|---|---|"]
    notes = []
    for row, figure in _figures(ROWS, kept):
        met = ("met" if figure["met"] else "**missed**") + _part(kept[row.program]["scale"])
        told = f"{row.title} | {row.target} | {figure['measured']}"
        lines.append(f"| {row.id} | {told} | {met} | {kept[row.program]['at']} |")
        if note := figure.get("note"):
            notes.append(f"- **{row.id}**: {note}")
    taken = [f"`{program}` {one['seconds']} s" for program, one in sorted(kept.items())]
    lines += ["", *(["## Where more is to be said", "", *notes, ""] if notes else [])]
    lines += ["## Conditions", "", f"{_machine()}. Time taken: {', '.join(taken)}."]
    return "\n".join(lines) + "\n"


def _part(scale: float) -> str:
    return "" if scale >= 1 else f", at {scale:.0%} of the counts"


def _machine() -> str:
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", type=_chosen, default=ROWS, metavar="R4,R5", help="rows (default: all)")
    parser.add_argument("--scale", type=float, default=1.0, help="part of the whole counts (default 1)")
    parser.add_argument("--again", action="store_true", help="measure what is known already too")
    parser.add_argument("--kept", type=Path, default=KEPT, metavar="FILE", help="where figures are kept")
    parser.add_argument("--page", type=Path, default=PAGE, metavar="FILE", help="the page to write")
    parser.add_argument("--list", action="store_true", help="what is known and what is to do")
    return parser.parse_args()


def _chosen(ids: str) -> list[Row]:
    wanted = set(ids.split(","))
    if unknown := wanted - {row.id for row in ROWS}:
        raise argparse.ArgumentTypeError(f"there is no row {min(unknown)}: {', '.join(row.id for row in ROWS)}")
    return [row for row in ROWS if row.id in wanted]


_HEAD = """# Reliability

What a proxy between Claude Code and a model server has to survive, and what was measured. This page is written by
`make scoreboard`, which takes each measure anew that the code has changed under; `ARGS="--only R4,R5"` takes some. The
last column is the commit that was measured, with a `+` where it was not all. What was tried at a part of its counts is
met or missed only as far as that goes.
The programs are in `scripts/test/measures`, the same tables of faults and attacks run in the tests
([testing](../development/testing.md)).
"""


if __name__ == "__main__":
    sys.exit(main())
