"""The real llama.cpp server with a real, small model, as a child: it takes LM Studio's place.

llama.cpp is what LM Studio itself runs, and the package `xllamacpp` brings its server as a wheel. The model's own chat
template takes no tools; `STRICT_TOOLS` does, and makes the model begin every answer to a user with a call.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.children import REPOSITORY, bare_environment, child

STRICT_TOOLS = Path(__file__).parent / "templates" / "strict_tools.jinja"


@asynccontextmanager
async def llamacpp(
    home: Path, context: int = 8192, template: Path | None = None, model: Path | None = None
) -> AsyncIterator[str]:
    """Its base URL, `/v1` included, until the end of the block. context: the window in tokens. model: None: SmolLM2."""
    given = [str(context), str(template or ""), str(model or "")]
    command = [sys.executable, "-m", "tests.support.llamacpp_child", *given]
    async with child(command, bare_environment(home), REPOSITORY) as started:
        assert started.stdout is not None
        address = (await asyncio.wait_for(started.stdout.readline(), 60)).decode().strip()
        assert address, "the llama.cpp server did not start"
        async with _discarding(started.stderr):
            yield f"{address}/v1"


@asynccontextmanager
async def _discarding(stream: asyncio.StreamReader | None) -> AsyncIterator[None]:
    """Read the server's log away, so that it never waits for a full pipe."""
    assert stream is not None
    reading = asyncio.create_task(stream.read())
    try:
        yield
    finally:
        reading.cancel()
