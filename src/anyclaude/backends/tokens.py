"""How many tokens a request has: counted by the upstream's own tokenizer, or learnt from what it reports afterwards."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from anyclaude.backends.blocks import blocks_of
from anyclaude.backends.http import Upstream
from anyclaude.errors import UpstreamError
from anyclaude.wire.json import encode

_FIRST_GUESS: Final = 3.6
"""Bytes of request body a token: Claude Code's requests measured 3.6 to 4.2 with current tokenizers."""

_IMAGE: Final = 3600
"""Bytes of text that an image stands for: a thousand tokens, which most models make of a screenshot, or fewer."""

_FILE: Final = 10  # bytes of a PDF, in base64, for a byte of text

_WEIGHT: Final = 0.3
_SMALLEST_LESSON: Final = 256
_DEADLINE: Final = 5.0  # seconds; an estimate now is worth more than a count later
_ASK_AGAIN: Final = 60.0  # seconds after an upstream that did not count

log = logging.getLogger(__name__)


def text_bytes(body: Mapping[str, Any], encoded: int) -> int:
    """Of a chat request of so many bytes, those to reckon tokens by: the size of a picture's file says nothing of them,
    and a PDF is mostly other than text.
    """
    kinds = [_beside_text(part) for message in body["messages"] for part in _parts(message.get("content"))]
    return encoded + sum(weight - size for size, weight in kinds)


def asked_bytes(request: Mapping[str, Any]) -> int:
    """Of a Messages request, those to reckon tokens by: all but the data of its images."""
    blocks = (block for message in request.get("messages") or () for block in blocks_of(message))
    return len(encode(request)) - sum(map(_image_data, blocks))


def _image_data(block: object) -> int:
    match block:
        case {"type": "image", "source": {"data": str(content)}}:
            return len(content)
    return 0


def _parts(content: object) -> list[Any]:
    return content if isinstance(content, list) else []


def _beside_text(part: object) -> tuple[int, int]:
    """Bytes of a part that are no text, and of the text that it weighs as much as."""
    match part:
        case {"type": "image_url", "image_url": {"url": str(url)}}:
            return len(url), _IMAGE
        case {"type": "file", "file": {"file_data": str(content)}}:
            return len(content), len(content) // _FILE
    return 0, 0


class Counter:
    """An upstream's own count of a whole request. One that does not count is asked again a minute later.

    url: where. asked: from the body of a request to what is posted there. field: of its answer, the count.
    """

    def __init__(
        self, upstream: Upstream, url: str, field: str, asked: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    ) -> None:
        self._upstream, self._url, self._field, self._asked = upstream, url, field, asked
        self._silent_until = 0.0

    async def count(self, body: Mapping[str, Any]) -> int | None:
        """Tokens; None when it does not say."""
        now = asyncio.get_running_loop().time()
        if now < self._silent_until:
            return None
        try:
            status, said = await self._upstream.ask(self._url, encode(self._asked(body)), _DEADLINE)
        except UpstreamError as error:
            status, said = 0, error.message
        count = said.get(self._field) if status == 200 and isinstance(said, Mapping) else None
        if isinstance(count, int) and not isinstance(count, bool) and count > 0:
            return count
        self._silent_until = now + _ASK_AGAIN
        log.debug("%s does not count tokens (%s)", self._upstream.origin, status)
        return None


class TokenEstimate:
    """Bytes a token, as an average that favours recent requests."""

    def __init__(self) -> None:
        self._bytes_per_token = _FIRST_GUESS

    def learn(self, sent_bytes: int, prompt_tokens: int) -> None:
        """A request of so many bytes had so many tokens. Small ones teach nothing: the template weighs too much."""
        if prompt_tokens >= _SMALLEST_LESSON:
            observed = sent_bytes / prompt_tokens
            self._bytes_per_token += _WEIGHT * (observed - self._bytes_per_token)

    def estimate(self, sent_bytes: int) -> int:
        return max(1, round(sent_bytes / self._bytes_per_token))
