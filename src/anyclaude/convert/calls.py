"""The tool calls of one conversation, with ids that are unique in it.

Some servers count their calls from `call_0` in every answer, so the same id can stand for several calls. The
first one keeps it, each later one gets a number; counted in order of appearance, a call has the same id in
every request.
"""

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
    """Hands out the ids of one conversation."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def call(self, claimed_id: str, name: str, arguments: str) -> Call:
        return Call(self._unique(claimed_id or "call"), claimed_id, name or "unknown", arguments)

    def _unique(self, claimed_id: str) -> str:
        times = self._seen.get(claimed_id, 0)
        unique = claimed_id if not times else f"{claimed_id}_{times + 1}"
        while unique in self._seen:
            times += 1
            unique = f"{claimed_id}_{times + 1}"
        self._seen[claimed_id] = times + 1
        self._seen.setdefault(unique, 1)
        return unique
