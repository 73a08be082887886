"""Images described in words by a model that sees, for one that does not.

A conversation is sent anew with every turn, so descriptions are kept: the same image is the same text each time, and
what was computed of the prompt holds.
"""

import asyncio
import hashlib
import logging
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

from anyclaude.backends.base import Backend, Caller
from anyclaude.backends.blocks import Block, replaced
from anyclaude.errors import AnyclaudeError, UpstreamTimeout
from anyclaude.wire.events import Failed, TextDelta
from anyclaude.wire.json import encode

_QUESTION: Final = (
    "Describe this image to a programmer who cannot see it. Give every text in it word for word, then what is shown, "
    "where, and in which colours; for a drawing or a chart, what it says. No introduction."
)
_LONGEST: Final = 1000  # tokens of a description
_DEADLINE: Final = 300.0  # seconds for one
_MOST: Final = 500  # descriptions that are kept

log = logging.getLogger(__name__)


class Descriptions:
    """By one model. name: what it is called in front of the person and of the model that cannot see."""

    def __init__(self, backend: Backend, model: str | None, name: str) -> None:
        self._backend, self._model, self._name = backend, model, name
        self._known: OrderedDict[str, str] = OrderedDict()

    async def described(self, request: Mapping[str, Any], caller: Caller) -> Mapping[str, Any]:
        """The request with words for each image; the very same one where there is none."""

        async def describe(block: Block) -> Block:
            return {"type": "text", "text": await self._text(block, caller)}

        return await replaced(request, lambda block: block.get("type") == "image", describe)

    async def _text(self, image: Block, caller: Caller) -> str:
        source = {"type": "image", "source": image.get("source")}
        key = hashlib.sha256(encode(source)).hexdigest()
        if key not in self._known:
            try:
                self._known[key] = await self._description(source)
            except AnyclaudeError as error:
                log.warning("%s did not describe an image: %s", self._name, error.message)
                caller.journal.note("warning", said=f"{self._name} did not describe an image: {error.message}")
                return f"[image left out: this model takes no images, and {self._name} did not describe it]"
            caller.journal.note("image", described_by=self._name, characters=len(self._known[key]))
        self._known.move_to_end(key)
        if len(self._known) > _MOST:
            self._known.popitem(last=False)
        return f"[image, as {self._name} describes it:]\n{self._known[key]}"

    async def _description(self, image: Block) -> str:
        """Raises AnyclaudeError."""
        content = [image, {"type": "text", "text": _QUESTION}]
        request = {"model": "vision", "max_tokens": _LONGEST, "messages": [{"role": "user", "content": content}]}
        said: list[str] = []
        try:
            async with asyncio.timeout(_DEADLINE), self._backend.stream(request, Caller(), self._model) as batches:
                async for batch in batches:
                    said += [event.text for event in batch if isinstance(event, TextDelta)]
                    if batch and isinstance(batch[-1], Failed):
                        raise batch[-1].error
        except TimeoutError:
            raise UpstreamTimeout(f"it took longer than {_DEADLINE:.0f} seconds") from None
        return "".join(said).strip() or "(nothing)"
