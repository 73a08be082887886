"""The tool calls of one conversation, with ids that are unique in it.

An id that is good stays as it is, since reasoning that is carried back may refer to it. But some servers count from
`call_0` in every answer, so one id can stand for several calls: the first keeps it, each later one gets a number.
Everything is counted in order of appearance, so that a call has the same id in every request.
"""

from collections.abc import Container
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """A past call. `claimed_id` is the client's, `id` ours; `arguments` is the text of a JSON object."""

    id: str
    claimed_id: str
    name: str
    arguments: str

    def chat_form(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "type": "function",
            "function": {"name": self.name, "arguments": self.arguments},
        }


class CallIds:
    """Hands out the ids of one conversation. `short` ones have 9 letters and digits, like Mistral's own."""

    def __init__(self, *, short: bool) -> None:
        self._short = short
        self._calls = 0
        self._seen: dict[str, int] = {}

    def call(self, claimed_id: str, name: str, arguments: str) -> Call:
        self._calls += 1
        wanted = claimed_id or "call"
        if self._short and not _is_short(wanted, self._seen):
            wanted = f"call{self._calls:05}"
        return Call(self._unique(wanted), claimed_id, name or "unknown", arguments)

    def _unique(self, claimed_id: str) -> str:
        times = self._seen.get(claimed_id, 0)
        unique = claimed_id if not times else f"{claimed_id}_{times + 1}"
        while unique in self._seen:
            times += 1
            unique = f"{claimed_id}_{times + 1}"
        self._seen[claimed_id] = times + 1
        self._seen.setdefault(unique, 1)
        return unique


def _is_short(claimed_id: str, seen: Container[str]) -> bool:
    return len(claimed_id) == 9 and claimed_id.isascii() and claimed_id.isalnum() and claimed_id not in seen
