"""Images described in words by a model that sees, for one that does not.

A conversation is sent anew with every turn, so descriptions are kept: the same image is the same text each time, and
what was computed of the prompt holds. Requests that come at once (a session's title and its first turn, subagents) wait
for the same description.
"""

import asyncio
import hashlib
import logging
from collections import OrderedDict
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from anyclaude.backends.base import Backend, Caller, Sighted
from anyclaude.backends.blocks import Block, replaced
from anyclaude.backends.flights import Flights
from anyclaude.errors import AnyclaudeError, InvalidRequest, UpstreamBroken, UpstreamTimeout
from anyclaude.wire.events import Failed, TextDelta
from anyclaude.wire.json import encode

_QUESTION: Final = (
    "Describe this image to a programmer who cannot see it. Give every text in it word for word, then what is shown, "
    "where, and in which colours; for a drawing or a chart, what it says. No introduction."
)
_LONGEST: Final = 4000  # tokens of a description, and of the thinking of models that cannot do without
_DEADLINE: Final = 300.0  # seconds for one
_MOST_CHARACTERS: Final = 20_000  # of one, whatever the model was asked for
_MOST: Final = 500  # descriptions that are kept

log = logging.getLogger(__name__)


class Descriptions:
    """By one model. name: what it is called in front of the person and of the model that cannot see."""

    def __init__(self, backend: Backend, model: str | None, name: str) -> None:
        self._backend, self._model, self._name = backend, model, name
        self._known: OrderedDict[str, str] = OrderedDict()
        self._flights: Flights[str] = Flights()

    async def described(self, request: Mapping[str, Any], caller: Caller) -> Mapping[str, Any]:
        """The request with words for each image; the very same one where there is none."""

        silent = False  # once for all images: twenty deadlines one after the other would be hours

        async def describe(block: Block) -> Block:
            nonlocal silent
            try:
                text = self._left_out() if silent else await self._text(block, caller)
            except UpstreamTimeout as error:
                silent, text = True, self._not_described(error, caller)
            except AnyclaudeError as error:
                text = self._not_described(error, caller)
            return {"type": "text", "text": text}

        return await replaced(request, lambda block: block.get("type") == "image", describe)

    def _not_described(self, error: AnyclaudeError, caller: Caller) -> str:
        said = f"{self._name} did not describe an image: {error.message}"
        log.warning("%s", said)
        caller.journal.note("warning", said=said)
        return self._left_out()

    def _left_out(self) -> str:
        return f"[image left out: this model takes no images, and {self._name} did not describe it]"

    async def _text(self, image: Block, caller: Caller) -> str:
        """Raises AnyclaudeError."""
        source = {"type": "image", "source": image.get("source")}
        key = hashlib.sha256(encode(source)).hexdigest()
        text = self._known.get(key)
        if text is None:
            text = await self._flights.of(key, partial(self._description, source))
            caller.journal.note("image", described_by=self._name, characters=len(text))
        self._known[key] = text
        self._known.move_to_end(key)
        if len(self._known) > _MOST:
            self._known.popitem(last=False)
        return f"[image, as {self._name} describes it:]\n{text}"

    async def _description(self, image: Block) -> str:
        """Raises AnyclaudeError."""
        if isinstance(self._backend, Sighted) and not self._backend.sees(self._model):
            raise InvalidRequest("It takes no images itself; set `models.vision` to a model that does.")
        content = [image, {"type": "text", "text": _QUESTION}]
        request = {"model": "vision", "max_tokens": _LONGEST, "messages": [{"role": "user", "content": content}]}
        said, room = [], _MOST_CHARACTERS
        try:
            async with asyncio.timeout(_DEADLINE), self._backend.stream(request, Caller(), self._model) as batches:
                async for batch in batches:
                    texts = [event.text for event in batch if isinstance(event, TextDelta)]
                    said += texts
                    room -= sum(map(len, texts))
                    if batch and isinstance(batch[-1], Failed):
                        raise batch[-1].error
                    if room < 0:
                        break
        except TimeoutError:
            raise UpstreamTimeout(f"it took longer than {_DEADLINE:.0f} seconds") from None
        text = _printable("".join(said)[:_MOST_CHARACTERS])
        if not text:
            raise UpstreamBroken("it said nothing, or thought to the end of what it may write")
        return text


def _printable(text: str) -> str:
    """Without the control characters that would do something to a terminal."""
    return "".join(each for each in text if each.isprintable() or each in "\n\t").strip()
