"""A `retry-after` with bytes that no head may hold tore the connection to the client, with a traceback in the log."""

import pytest

from anyclaude.backends.scripted import ScriptedBackend
from anyclaude.convert.failures import convert_failure
from tests.support.clients import talking_to


@pytest.mark.parametrize("value", ["\xff\x01", "a\x7f", "7\x00"])
async def test_the_client_gets_the_status_all_the_same(value: str) -> None:
    backend = ScriptedBackend(refusal=convert_failure(429, {"error": "slow"}, value))
    async with talking_to(backend) as client, client.post(stream=True) as response:
        assert response.status == 429
        assert "retry-after" not in response.headers


@pytest.mark.parametrize("value", ["7", "Fri, 31 Dec 1999 23:59:59 GMT"])
def test_a_good_one_is_handed_on(value: str) -> None:
    assert convert_failure(429, {}, value).headers == {"retry-after": value}
