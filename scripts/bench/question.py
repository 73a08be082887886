"""The request that every target gets: the generator of the tests, found from wherever the script is started."""

import sys
from pathlib import Path

from failure import BenchError

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.support.claude_request import SIZE, TOOL_COUNT, encode, messages_request, request_headers

__all__ = ["SIZE", "request_body", "request_headers"]


def request_body(size: int, turns: int, tools: int = TOOL_COUNT) -> bytes:
    """The body in bytes. Raises BenchError when a request of that size cannot be made."""
    try:
        return encode(messages_request(size=size, turns=turns, tools=tools))
    except ValueError as error:
        raise BenchError(f"no such request can be made: {error}") from error
