"""POST /cluster/proof: this worker shows a proxy that it knows the cluster's key. `anyclaude.wire.proof` says how.

It answers without the token, because the token is what a proxy sends only after the proof. The nonce stands in the
query, so that nothing has to be read of somebody who has shown nothing yet. What is proved is the address at which this
worker's own socket was asked, whatever the request says; so nobody can use a worker to prove an address of his own.
"""

import asyncio
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

from fastapi import APIRouter, Request
from pydantic import SecretStr

from anyclaude.wire.proof import NONCE_BYTES, PATH, SHORTEST_SECRET, address_of, key_of, nonce_from, proof
from mlx_worker.errors import BadRequest, TooManyProofs, UnknownPath
from mlx_worker.health import INSTANCE
from mlx_worker.replies import ProofReply
from mlx_worker.routes.described import refusals

AT_ONCE: Final = 20.0
A_SECOND: Final = 2.0
_CALLERS: Final = 256


class Allowance:
    """How many proofs an address may still ask for: some at once, then so many a second. The clock counts seconds.

    The addresses that are remembered are bounded; the one that asked longest ago is forgotten first.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str) -> bool:
        now = self._clock()
        left, since = self._left.pop(caller, (AT_ONCE, now))
        left = min(AT_ONCE, left + (now - since) * A_SECOND)
        granted = left >= 1
        self._left[caller] = (left - granted, now)
        if len(self._left) > _CALLERS:
            self._left.popitem(last=False)
        return granted


def build_router(token: SecretStr | None, allowance: Allowance | None = None) -> APIRouter:
    router = APIRouter()
    allowed = allowance or Allowance()
    secret = token.get_secret_value() if token else ""

    @router.post(f"/{PATH}", response_model=ProofReply, responses=refusals(400, 404, 429))
    async def prove(request: Request, nonce: str = "") -> dict[str, Any]:
        """Does this worker know the cluster's key? `nonce`: 32 random bytes in hexadecimal."""
        if len(secret) < SHORTEST_SECRET:
            raise UnknownPath(f"no proof: MLX_WORKER_TOKEN has fewer than {SHORTEST_SECRET} characters here")
        if not allowed.take(request.client.host if request.client else ""):
            raise TooManyProofs
        asked = nonce_from(nonce)
        if asked is None:
            raise BadRequest(f"nonce must be {NONCE_BYTES} bytes in hexadecimal", "nonce")
        own, address = secrets.token_bytes(NONCE_BYTES), _own_address(request)
        given = proof(await asyncio.to_thread(key_of, secret), asked, own, INSTANCE, address)
        return {"nonce": own.hex(), "instance": INSTANCE, "address": address, "proof": given}

    return router


def _own_address(request: Request) -> str:
    """Of the socket that the request came in on. Raises UnknownPath where there is none, as behind a unix socket."""
    host, port = request.scope.get("server") or ("", None)
    try:
        return address_of(host, port or 0)
    except ValueError:
        raise UnknownPath("this worker is not reached at an address of its own, so it proves none") from None
