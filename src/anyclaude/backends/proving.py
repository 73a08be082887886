"""Asking a node whether it knows the cluster's key, before anything else is sent to it. `cluster.proof` judges it."""

import asyncio
import secrets
from typing import Final, Protocol

from pydantic import SecretStr

from anyclaude.backends.http import Upstream, mapped
from anyclaude.cluster.proof import Challenge, Unproved
from anyclaude.errors import (
    AnyclaudeError,
    Overloaded,
    RateLimited,
    UpstreamBroken,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from anyclaude.wire.json import decode_lenient
from anyclaude.wire.proof import NONCE_BYTES, PATH, address_of, key_of

SECONDS: Final = 5.0
_CONNECT: Final = 2.0
_SILENT: Final = (UpstreamUnreachable, UpstreamTimeout, UpstreamBroken, RateLimited, Overloaded)
"""What also befalls a worker that knows the key. Any other refusal is not a worker's."""

_LARGEST: Final = 4096


class Prove(Protocol):
    async def __call__(self, host: str, port: int, key: SecretStr) -> str: ...


async def prove(host: str, port: int, key: SecretStr) -> str:
    """The instance of the worker at that address. The key itself is not sent.

    Raises Unproved when it answers wrongly, UpstreamError when it does not answer.
    """
    derived = await asyncio.to_thread(key_of, key.get_secret_value())
    challenge = Challenge(host, port, secrets.token_bytes(NONCE_BYTES))
    upstream = Upstream(f"http://{address_of(host, port)}", None, _CONNECT)
    try:
        with mapped(upstream.origin):
            async with asyncio.timeout(SECONDS):
                async with upstream.post(f"{PATH}?nonce={challenge.nonce.hex()}", b"", {}, SECONDS) as answer:
                    body = await answer.whole(_LARGEST)
    except _SILENT:
        raise
    except AnyclaudeError as error:
        raise Unproved(f"{upstream.origin} does not answer like a worker with a cluster's key") from error
    finally:
        await upstream.aclose()
    return challenge.judge(derived, decode_lenient(body))
