"""The corpus of answers with calls in their text, and how well the scanner does on it.

    python -m tests.support.call_corpus

prints the table of docs/reference/tool-calls.md. tests/fixtures/text_calls holds a file for each family: its first line
says where the family's way of writing is documented, each other line is an answer and the pieces that it is made of.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from anyclaude.convert.text_calls import Call, Piece, Text, TextCalls, Thinking
from anyclaude.convert.text_calls.said import joined

FOLDER = Path(__file__).parents[1] / "fixtures" / "text_calls"


@dataclass(frozen=True)
class Example:
    """pieces: texts, thinkings, and calls as (name, arguments). opened: the answer begins within its thinking."""

    family: str
    name: str
    text: str
    pieces: tuple[Any, ...]
    opened: bool

    def __str__(self) -> str:
        return f"{self.family}: {self.name}"

    @property
    def calls(self) -> list[Any]:
        return [piece for piece in self.pieces if isinstance(piece, tuple)]


@cache
def tools() -> dict[str, Any]:
    read: dict[str, Any] = json.loads((FOLDER / "tools.json").read_text())
    return read


@cache
def examples() -> tuple[Example, ...]:
    return tuple(example for path in sorted(FOLDER.glob("*.jsonl")) for example in _of_file(path))


def sources() -> dict[str, str]:
    heads = [json.loads(path.read_text().partition("\n")[0]) for path in sorted(FOLDER.glob("*.jsonl"))]
    return {head["family"]: head["source"] for head in heads}


def _of_file(path: Path) -> Iterator[Example]:
    head, *rows = [json.loads(line) for line in path.read_text().split("\n") if line]
    for row in rows:
        pieces = tuple(_piece(piece) for piece in row["pieces"])
        yield Example(head["family"], row["name"], row["text"], pieces, row.get("opened", False))


def _piece(row: dict[str, Any]) -> Any:
    if "call" in row:
        return row["call"], row["arguments"]
    return Text(row["text"]) if "text" in row else Thinking(row["thinking"])


def scan(pieces: Sequence[str], opened: bool = False, **options: Any) -> list[Piece]:
    """What the scanner makes of an answer that comes in pieces; neighbours of one kind are put together."""
    scanner = TextCalls(options.pop("tools", tools()), opened=opened, **options)
    found = [one for piece in pieces for one in scanner.feed(piece)]
    return joined(found + scanner.end())


def plain(pieces: Sequence[Piece]) -> tuple[Any, ...]:
    """As the corpus has them."""
    return tuple((piece.name, piece.arguments) if isinstance(piece, Call) else piece for piece in pieces)


@dataclass
class Score:
    """answers: with calls, and without any. right, wrong, missed: calls."""

    with_calls: int = 0
    without: int = 0
    right: int = 0
    wrong: int = 0
    missed: int = 0

    def add(self, example: Example) -> None:
        wanted = list(example.calls)
        self.with_calls += bool(wanted)
        self.without += not wanted
        for name, arguments in (
            call for call in plain(scan([example.text], example.opened)) if isinstance(call, tuple)
        ):
            if (name, arguments) in wanted:
                wanted.remove((name, arguments))
                self.right += 1
            else:
                self.wrong += 1
        self.missed += len(wanted)

    @property
    def precision(self) -> float:
        return self.right / (self.right + self.wrong or 1)

    @property
    def recall(self) -> float:
        return self.right / (self.right + self.missed or 1)


def scores() -> dict[str, Score]:
    found: dict[str, Score] = {}
    for example in examples():
        found.setdefault(example.family, Score()).add(example)
    return found


def table() -> str:
    rows = ["| family | answers with calls | without | calls | precision | recall |", "|---|---|---|---|---|---|"]
    every = scores()
    for family, score in every.items():
        rows.append(_row(family, score))
    total = Score(*(sum(getattr(score, name) for score in every.values()) for name in vars(Score())))
    return "\n".join([*rows, _row("**all**", total)])


def _row(family: str, score: Score) -> str:
    calls = score.right + score.missed
    return f"| {family} | {score.with_calls} | {score.without} | {calls} | {score.precision:.3f} | {score.recall:.3f} |"


if __name__ == "__main__":
    print(table())  # noqa: T201
