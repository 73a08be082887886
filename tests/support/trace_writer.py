"""A program that does nothing but write traces, to be killed in the middle of it; and what is left of them."""

import json
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anyclaude.trace.store import TraceStore

_PROGRAM = """
import sys
from pathlib import Path
from anyclaude.config.model import Traces
from anyclaude.trace.store import TraceStore
from tests.support.trace_writer import write
traces = TraceStore(Path(sys.argv[1]), "lmstudio", Traces(), [])
number = 0
while True:
    write(traces, number, "x" * 200_000)
    number += 1
"""
_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Killed:
    """kept: records that are whole. parts: files that were being written. faults: what is wrong with any file."""

    kept: int
    parts: int
    faults: list[str]


def write(traces: TraceStore, number: int, text: str) -> None:
    one = traces.begin(f"req_{number:08d}", "/v1/messages", {}, {"messages": [{"role": "user", "content": text}]})
    one.finish(200, "complete")


def kill_while_writing(home: Path, after: int) -> Killed:
    """Let it write until so many records are there, and kill it."""
    seen: set[str] = set()
    with subprocess.Popen([sys.executable, "-c", _PROGRAM, str(home)], cwd=_ROOT) as child:
        try:
            while len(seen) < after:
                assert child.poll() is None, "the writer ended by itself"
                seen = {path.name for path in _files(home) if not path.name.startswith(".")}
        finally:
            child.kill()
    lost = seen - {path.name for path in _files(home)}
    parts = sum(path.name.startswith(".") for path in _files(home))
    return Killed(len(records(home)), parts, [*faults_of(home), *(f"{name} is gone" for name in sorted(lost))])


def records(home: Path) -> list[dict[str, Any]]:
    """Those that are whole."""
    return [tree for _, tree in _read(home) if tree is not None and tree.get("outcome") == "complete"]


def faults_of(home: Path) -> list[str]:
    """Files that have a record's name and are none, and those that others may read."""
    found = [f"{path.name} is not whole" for path, tree in _read(home) if (tree or {}).get("outcome") != "complete"]
    open_ = [path.name for path in _files(home) if stat.S_IMODE(path.stat().st_mode) != 0o600]
    return found + [f"{name} is open to others" for name in open_]


def _read(home: Path) -> Iterator[tuple[Path, dict[str, Any] | None]]:
    for path in _files(home):
        if not path.name.startswith("."):
            try:
                yield path, json.loads(path.read_bytes())
            except ValueError:
                yield path, None


def _files(home: Path) -> list[Path]:
    folder = home / "traces/lmstudio"
    return sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
