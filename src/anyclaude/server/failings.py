"""The last errors of a proxy, as whoever watches may see them: no secret, and nothing of anybody's conversation.

Errors of the client's own repeat what it sent, and what a model server says may do so too. Those words stay in the log
and in the traces; what is told here is what kind of failure it was, and our own words where they are about servers.
"""

from dataclasses import dataclass
from typing import Final

from anyclaude.trace.redact import Redactor

_LONGEST: Final = 300  # characters
_KINDS: Final = {
    400: "the request was refused",
    401: "the request had no right token",
    402: "the model server wants to be paid",
    403: "the request was refused",
    404: "there is no such thing",
    413: "the request was too large",
    429: "the limit of requests is reached",
    500: "a fault of our own; the log has the details",
    502: "the model server is not reached, or its answer was broken",
    504: "the model server kept silent for too long",
    529: "nobody had room for the request",
}
_OF_SERVERS: Final = (429, 502, 504, 529)
_QUOTES: Final = " said: "
"""Behind it are the words of somebody else."""


@dataclass(frozen=True, slots=True)
class Failing:
    """An answer that ended in an error. at: seconds since 1970; status: of HTTP, also where it came in mid-answer."""

    at: float
    backend: str
    status: int
    error: str


def failing_of(at: float, backend: str, status: int, message: str, redactor: Redactor) -> Failing:
    """What may be told of an error. status: 200 where the answer had begun."""
    kind = _KINDS.get(status, "the answer broke off" if status < 400 else "the request failed")
    ours = _without_quotes(message) if status in _OF_SERVERS or status < 400 else ""
    return Failing(at, backend, status, redactor.text(ours)[:_LONGEST] if ours else kind)


def _without_quotes(message: str) -> str:
    """Our own words; none where they quote somebody."""
    return "" if _QUOTES in message else message
