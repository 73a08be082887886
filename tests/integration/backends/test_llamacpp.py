"""What the real llama.cpp server refuses, and what is learnt from it."""

from pathlib import Path
from typing import Any

import pytest

from anyclaude.backends.base import Caller
from anyclaude.backends.lmstudio import LMStudioBackend
from anyclaude.config.model import Deadlines, ProfileChange
from anyclaude.config.upstreams import LMStudio
from anyclaude.wire.events import Finished, ToolCallStart
from tests.support.journal import Notes
from tests.support.llamacpp import STRICT_TOOLS, llamacpp

pytestmark = pytest.mark.timeout(300)

BOUND = {"type": "array", "maxItems": 1999, "items": {"type": "string", "maxLength": 1999}}
NESTED = {"type": "object", "properties": {"f": {"type": "array", "maxItems": 1999, "items": BOUND}}, "required": ["f"]}
EMPTY = {"type": "object", "properties": {}}
PIXEL = {"type": "base64", "media_type": "image/png", "data": "iVBORw0K"}
ASK: dict[str, Any] = {
    "model": "m",
    "max_tokens": 8,
    "tools": [{"name": "Bash", "input_schema": NESTED}, {"name": "TaskList", "input_schema": EMPTY}],
    "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "image", "source": PIXEL}]}],
}


async def test_schemas_that_its_grammar_cannot_hold_and_images_are_learnt(tmp_path: Path) -> None:
    """Images are, though the server says at the start that it has none: the person says that it does."""
    journal = Notes()
    async with llamacpp(tmp_path, 2048, STRICT_TOOLS) as url:
        changes = {"*": ProfileChange(images=True)}
        backend = LMStudioBackend(LMStudio(url=url), None, Deadlines(), changes)
        known = await backend.ready()
        async with backend.stream(ASK, Caller(journal=journal)) as batches:
            events = [event async for batch in batches for event in batch]
        await backend.aclose()
    assert (known.context_window, known.tools, known.images) == (2048, True, True)
    assert isinstance(events[-1], Finished)
    learnt = {facts["refused"]: facts["said"] for facts in journal.of("learnt")}
    assert set(learnt) == {"images", "tool schemas"}
    assert "failed to parse grammar" in learnt["tool schemas"]
    assert "image input is not supported" in learnt["images"]
    assert len(journal.bodies) == 3


async def test_what_is_not_declared_cannot_be_called(tmp_path: Path) -> None:
    """So a tool that comes late has to be declared, though the prompt then begins anew. The template shows the model
    calls of Read; where that is declared, it is what is called.
    """
    thing = {"type": "object", "properties": {"thing": {"type": "string"}}, "required": ["thing"]}
    path = {"type": "object", "properties": {"file_path": {"type": "string"}}, "required": ["file_path"]}
    count, read = {"name": "Count", "input_schema": thing}, {"name": "Read", "input_schema": path}
    question = {"role": "user", "content": "Read the file /etc/name.txt"}
    called = []
    async with llamacpp(tmp_path, 2048, STRICT_TOOLS) as url:
        backend = LMStudioBackend(LMStudio(url=url), None, Deadlines())
        for tools in ([count, read], [count]):
            ask = {"model": "m", "max_tokens": 24, "tools": tools, "messages": [question]}
            async with backend.stream(ask, Caller()) as batches:
                events = [event async for batch in batches for event in batch]
            called += [event.name for event in events if isinstance(event, ToolCallStart)]
        await backend.aclose()
    assert called == ["Read", "Count"]
