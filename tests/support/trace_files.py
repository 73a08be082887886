"""Traces as files, written without a proxy, and an index of them looked at from all sides."""

import json
from pathlib import Path
from typing import Any, Final

from anyclaude.trace.index import TraceIndex

PATIENT: Final = 60.0
"""Seconds for a refresh of a few files, more than any machine takes."""


def write_trace(home: Path, number: int, said: str = "hello", **facts: Any) -> Path:
    """The trace of a millisecond. said: by the user. facts: of the record, in place of these."""
    messages = [{"role": "user", "content": said}]
    record = {
        "id": f"req_{number:08d}",
        "time": f"2027-01-15T08:00:00.{number:03d}+00:00",
        "mode": "lmstudio",
        "session": "s",
        "request": {"headers": {"User-Agent": "claude-cli/2.1.197"}, "body": {"tools": [{}], "messages": messages}},
        "response": {"status": 200, "body": {"content": [{"type": "text", "text": "answered"}]}},
        "usage": {"prompt_tokens": 10, "cached_tokens": 4, "output_tokens": 2},
        "outcome": "complete",
    }
    file = home / "traces" / "lmstudio" / f"trace-20270115-080000-{number:03d}-{number:08d}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({**record, **facts}))
    return file


def ids(index: TraceIndex, words: str) -> list[str]:
    """The last digit of each request in which the words are found."""
    return [hit.turn.id[-1] for hit in index.search(words)]


def looked_at(index: TraceIndex) -> None:
    """Every question may be the one that finds the damage."""
    index.sessions()
    index.turns("s")
    index.search("said")
    index.prompts()
