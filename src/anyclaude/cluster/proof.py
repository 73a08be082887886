"""Whether who answers at an address knows the cluster's key. See `wire.proof` for what is proved, and how.

A challenge is for one address and one answer: its nonce is new each time, so what was recorded earlier proves nothing.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeGuard

from anyclaude.wire.proof import NONCE_BYTES, address_of, nonce_from, proof

_LONGEST: Final = 128
"""Characters of an instance or an address in an answer."""


class Unproved(Exception):
    """Whoever answers there has not shown that it knows the key. The message is one sentence."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """nonce: random, used for nothing else. host: the address that the connection goes to, not a name."""

    host: str
    port: int
    nonce: bytes

    def __post_init__(self) -> None:
        assert len(self.nonce) == NONCE_BYTES

    def judge(self, key: bytes, answer: object) -> str:
        """The instance of the worker that gave that answer. key: `wire.proof.key_of`. Raises Unproved."""
        if not isinstance(answer, Mapping):
            raise Unproved(f"{self._address} does not answer like a worker of this version")
        own, given = nonce_from(answer.get("nonce")), nonce_from(answer.get("proof"))
        instance, at = answer.get("instance"), answer.get("address")
        if own is None or given is None or not _is_short(instance) or not _is_short(at):
            raise Unproved(f"{self._address} does not answer like a worker of this version")
        expected = proof(key, self.nonce, own, instance, self._address)
        if hmac.compare_digest(expected.encode(), given.hex().encode()):
            return str(instance)
        if at != self._address:
            raise Unproved(f"{self._address} hands questions on to another address; name that worker in the nodes")
        raise Unproved(f"{self._address} does not know the cluster's key; give its worker the same MLX_WORKER_TOKEN")

    @property
    def _address(self) -> str:
        return address_of(self.host, self.port)


def _is_short(text: object) -> TypeGuard[str]:
    return isinstance(text, str) and len(text) <= _LONGEST and text.isascii() and text.isprintable()
