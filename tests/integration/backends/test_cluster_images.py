"""Images on the way to a cluster: described where its nodes take none, handed on where the person says that they do."""

from pathlib import Path
from typing import Any

import pytest

from anyclaude.backends.base import Caller
from anyclaude.backends.registry import open_router
from anyclaude.config.model import Models, ProfileChange, Settings
from anyclaude.config.upstreams import Backends, LMStudio, MlxCluster, Node
from tests.support.openai_upstream import OpenAIUpstream
from tests.support.script import Says, reply

IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0K"}}
BASH = {"name": "Bash", "input_schema": {"type": "object", "properties": {}}}


def ask(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"model": "m", "max_tokens": 8, "tools": [BASH], "messages": [{"role": "user", "content": list(blocks)}]}


@pytest.mark.parametrize("sees", [False, True])
async def test_a_model_that_sees_tells_the_nodes(tmp_path: Path, sees: bool) -> None:
    profiles = {"scripted-model": ProfileChange(images=sees)}
    async with OpenAIUpstream() as node, OpenAIUpstream() as eye:
        node.script(reply(Says("It is red.")))
        settings = Settings(
            mode="mlx-cluster",
            home=tmp_path,
            models=Models(vision="lmstudio"),
            backends=Backends(
                mlx_cluster=MlxCluster().of(Node(id="n", url=node.url)),
                lmstudio=LMStudio(url=eye.url),
            ),
            profiles=profiles if sees else {},
        )
        router = open_router(settings)
        await router.ready()
        request = ask(IMAGE, {"type": "text", "text": "Which colour?"})
        async with router.stream(request, Caller("s")) as batches:
            async for _ in batches:
                pass
        await router.aclose()
    sent = str(node.asked[0].messages)
    assert ("image_url" in sent) is sees
    assert ("as lmstudio describes it" in sent) is not sees
    assert len(eye.side) == (0 if sees else 1)
