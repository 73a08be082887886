"""What a server on loopback asks of every request, whatever it serves.

Every program of every user of the machine reaches it, and through DNS rebinding or a cross-site request so does every
web page that one of them opens. The Host header and the request's target tell the first, Origin and Sec-Fetch-Site the
second (Fetch Metadata: browsers set both themselves, no page can).
"""

from collections.abc import Mapping, Sequence
from typing import Final

_LOCAL_NAMES: Final = ("127.0.0.1", "localhost", "[::1]")


def names_us(hosts: Sequence[str], target: str, port: int) -> bool:
    """Whether the one Host header and the target both name this machine with our port: a page's own name fails here.

    hosts: every Host header. target: host and port that the request is for.
    """
    allowed = {f"{name}:{port}" for name in _LOCAL_NAMES}
    return len(hosts) == 1 and hosts[0].lower() in allowed and target.lower() in allowed


def is_from_elsewhere(headers: Mapping[str, str]) -> bool:
    """Whether a page that is not ours asks, as far as a browser tells. headers: named in any case."""
    return "Origin" in headers or headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin")
