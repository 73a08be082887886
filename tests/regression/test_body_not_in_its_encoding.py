"""A body that was not in the encoding that its headers named counted as a fault of our own, with a traceback."""

import gzip
import logging

import pytest

from anyclaude.backends.scripted import ScriptedBackend
from tests.support.clients import talking_to


async def test_a_body_that_is_not_in_its_encoding(caplog: pytest.LogCaptureFixture) -> None:
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    async with talking_to(ScriptedBackend()) as client:
        url = f"{client.url}/v1/messages"
        async with client.session.post(url, data=b"no gzip at all", headers=headers) as response:
            assert (response.status, (await response.json())["error"]["type"]) == (400, "invalid_request_error")
        async with client.session.post(url, data=gzip.compress(b"{}"), headers=headers) as response:
            assert "model" in await response.text()
    assert not [record for record in caplog.records if record.exc_info or record.levelno > logging.INFO]
