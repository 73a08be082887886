"""Every upstream read all certificate authorities of the machine when it was made, and none was used.

25 ms of the event loop for each: a cluster of 64 nodes, found at once, kept every stream waiting for 1.6 s, and each
proof of a candidate made an upstream of its own.
"""

import ssl
from typing import Any

import pytest

from anyclaude.backends.http import Upstream


@pytest.mark.parametrize("address", ["http://127.0.0.1:8081/v1", "https://models.test/v1"])
async def test_an_upstream_is_made_without_reading_files(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    def read(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("authorities were read")

    monkeypatch.setattr(ssl, "create_default_context", read)
    await Upstream(address, None, 1.0).aclose()
