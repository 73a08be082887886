"""What a worker says of itself in the local network, by multicast DNS (RFC 6762 and 6763). Nothing of it is secret.

The pairs of the TXT record: `v`, the version of this form; `instance`, another one after each start; `model`, the name
of the model that is loaded.
"""

from typing import Final

TYPE: Final = "_anyclaude-mlx._tcp.local."
VERSION: Final = "1"

_LONGEST_VALUE: Final = 200
"""Bytes. A pair of a TXT record may have 255."""


def pairs_of(model: str | None, instance: str) -> dict[str, str]:
    """The pairs of a worker's TXT record."""
    said = {"v": VERSION, "instance": instance, "model": model or ""}
    return {name: value.encode()[:_LONGEST_VALUE].decode("utf-8", "ignore") for name, value in said.items()}
