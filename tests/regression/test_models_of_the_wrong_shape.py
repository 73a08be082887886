"""A node whose `/models` held no list was told as a fault of our own, with a traceback in the log."""

import json

import pytest

from anyclaude.backends.node import NodeBackend
from anyclaude.config.model import Deadlines
from anyclaude.config.upstreams import Node
from anyclaude.errors import SetupError
from tests.support.raw_upstream import Connection, raw_upstream, whole


@pytest.mark.parametrize("reply", [{"data": 5}, {"data": True}, {"data": {"a": 1}}, [1], 5])
async def test_it_counts_as_no_model(reply: object) -> None:
    async def play(connection: Connection) -> None:
        await connection.send(whole(200, json.dumps(reply).encode(), Content_Type="application/json"))

    async with raw_upstream(play) as upstream:
        backend = NodeBackend(Node(id="n", url=upstream.url), None, Deadlines())
        assert await backend.models() == []
        with pytest.raises(SetupError, match="no model loaded"):
            await backend.ready()
        await backend.aclose()
