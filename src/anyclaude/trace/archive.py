"""Finding and reading traces that were written."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from anyclaude.errors import SetupError


def newest(home: Path, mode: str | None = None, most: int = 20) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Traces of one mode, or of all, the newest first. What cannot be read as a trace is left out."""
    readable = ((path, record) for path in _paths(home, mode) if (record := _read(path)) is not None)
    return islice(readable, most)


def find(home: Path, wanted: str) -> dict[str, Any]:
    """A trace by its file, by `last`, or by a piece of its name or id. Raises SetupError when there is none, or two."""
    if (file := Path(wanted).expanduser()).is_file():
        record = _read(file)
        if record is None:
            raise SetupError(f"{wanted} is no trace")
        return record
    if wanted == "last":
        found = [record for _, record in newest(home, most=1)]
    else:
        found = [record for path in _paths(home, None) if _is_meant(path, wanted) and (record := _read(path))]
    if len(found) != 1:
        many = f"{len(found)} traces are" if found else "no trace is"
        raise SetupError(f"{many} called {wanted}; `anyclaude trace list` shows those that there are")
    return found[0]


def _is_meant(path: Path, wanted: str) -> bool:
    """Names end in the end of the request's id."""
    return wanted in path.name or (len(wanted) > 8 and path.stem.endswith(f"-{wanted[-8:]}"))


def _paths(home: Path, mode: str | None) -> list[Path]:
    found = (home.expanduser() / "traces").glob(f"{mode or '*'}/trace-*.json")
    return sorted(found, key=lambda path: path.name, reverse=True)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        record = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and "request" in record else None
