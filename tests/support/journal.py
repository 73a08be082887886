"""A journal that keeps what backends tell it."""

from typing import Any


class Notes:
    """`notes` with their kind, `bodies` as they went upstream, `moments` by name."""

    def __init__(self) -> None:
        self.notes: list[tuple[str, dict[str, Any]]] = []
        self.bodies: list[Any] = []
        self.moments: list[str] = []

    def note(self, kind: str, **facts: Any) -> None:
        self.notes.append((kind, facts))

    def sent(self, body: Any) -> None:
        self.bodies.append(body)

    def mark(self, moment: str) -> None:
        self.moments.append(moment)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [facts for name, facts in self.notes if name == kind]
