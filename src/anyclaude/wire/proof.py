"""How a worker shows that it knows the cluster's key, without telling it.

A proxy sends a nonce. The worker answers with a nonce of its own, its instance, and an HMAC-SHA256 over a purpose, both
nonces, the instance and the address at which it was asked, as its own socket knows it. Whoever hands the question on to
a real worker gets a proof for that worker's address, which is worth nothing at the address of the one who asked.

The key of the HMAC is drawn out of the secret slowly: anybody may ask for a proof, and then try secrets at home.
"""

import hmac
import ipaddress
from functools import lru_cache
from hashlib import pbkdf2_hmac, sha256
from typing import Final

PATH: Final = "cluster/proof"
NONCE_BYTES: Final = 32
SHORTEST_SECRET: Final = 16
"""Characters. A shorter one could be guessed from a proof."""

_PURPOSE: Final = b"anyclaude: this worker knows the key (1)"
_ROUNDS: Final = 200_000  # some 50 milliseconds, once


@lru_cache(maxsize=8)
def key_of(secret: str) -> bytes:
    """The key of proofs. It is another one than the secret, so that no proof is worth anything as a token."""
    return pbkdf2_hmac("sha256", secret.encode(), _PURPOSE, _ROUNDS)


def address_of(host: str, port: int) -> str:
    """One text for one socket address: `10.0.0.5:8081`, `[fd00::1]:8081`. Raises ValueError for what is no address."""
    address = ipaddress.ip_address(host.partition("%")[0])
    plain = getattr(address, "ipv4_mapped", None) or address
    return f"[{plain}]:{port}" if plain.version == 6 else f"{plain}:{port}"


def proof(key: bytes, asked: bytes, own: bytes, instance: str, address: str) -> str:
    """In hexadecimal. asked, own: the nonces of the proxy and of the worker. Each part has its length before it."""
    parts = (_PURPOSE, asked, own, instance.encode(), address.encode())
    return hmac.digest(key, b"".join(len(part).to_bytes(4, "big") + part for part in parts), sha256).hex()


def nonce_from(text: object) -> bytes | None:
    """The nonce that is written so in hexadecimal; None for anything else, a wrong length included."""
    if not isinstance(text, str) or len(text) != 2 * NONCE_BYTES or not text.isascii():
        return None
    try:
        nonce = bytes.fromhex(text)
    except ValueError:
        return None
    return nonce if len(nonce) == NONCE_BYTES else None
