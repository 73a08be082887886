"""What a worker says of itself in the local network, by multicast DNS (RFC 6762 and 6763). Nothing of it is secret.

The pairs of the TXT record: `v`, the version of this form; `instance`, another one after each start; `model`, the name
of the model that is loaded.
"""

import ipaddress
from typing import Final

TYPE: Final = "_anyclaude-mlx._tcp.local."
VERSION: Final = "1"

_LONGEST_VALUE: Final = 200
"""Bytes. A pair of a TXT record may have 255."""

_NEARBY: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "fc00::/7",
        "::1/128",
    )
)
"""Private, loopback, link-local. IPv6's link-local addresses need a zone, which an announcement does not have."""


_CLOUDS: Final = frozenset(map(ipaddress.ip_address, ("169.254.169.254", "100.100.100.200", "fd00:ec2::254")))
"""Where clouds tell their machines' secrets to whoever asks from there (AWS, Google and Azure; Alibaba; AWS)."""


def pairs_of(model: str | None, instance: str) -> dict[str, str]:
    """The pairs of a worker's TXT record."""
    said = {"v": VERSION, "instance": instance, "model": model or ""}
    return {name: value.encode()[:_LONGEST_VALUE].decode("utf-8", "ignore") for name, value in said.items()}


def nearby_address(text: str) -> str | None:
    """The address in its plain form; None when it is none, or not private, loopback or link-local."""
    plain = _worker_address(text)
    if plain is None or not any(plain in network for network in _NEARBY if network.version == plain.version):
        return None
    return str(plain)


def is_worker_address(text: str) -> bool:
    """Whether a worker can be there: not at an address of nobody, of many, or of a cloud's own services."""
    return _worker_address(text) is not None


def _worker_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    plain = getattr(address, "ipv4_mapped", None) or address
    odd = plain.is_unspecified or plain.is_multicast or (plain.version == 4 and plain.is_reserved)
    return None if odd or plain in _CLOUDS else plain
