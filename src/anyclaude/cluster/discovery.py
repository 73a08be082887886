"""Which nodes there are, out of several sources that come and go.

A source (the settings, the addresses of a name, what is announced) says each time all that it knows; what is new or
gone follows from that. One worker that is found in several ways is one node: by its id, its address, or its instance.
Of several findings the nearer to the person wins, named over resolved over announced, and then the one that was there.

An announcement is a hint of a stranger: it is taken apart here into what could be true of a worker nearby, or nothing.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import SecretStr

from anyclaude.config.upstreams import Node
from anyclaude.wire.announcement import TYPE, VERSION, nearby_address
from anyclaude.wire.proof import address_of

MOST_NODES: Final = 256
MOST_FOUND: Final = 32
"""Announcements that are looked into at a time, and addresses of one name."""
MOST_ADDRESSES: Final = 4
"""Addresses of one announcement that are tried."""

_INSTANCE: Final = re.compile(r"[0-9A-Za-z_-]{1,64}")
_ODD: Final = re.compile(r"[^0-9A-Za-z-]+")
_LONGEST_LABEL: Final = 16
_LONGEST_MODEL: Final = 200

Way = Literal["named", "resolved", "announced"]
_RANK: Final[Mapping[Way, int]] = {"named": 0, "resolved": 1, "announced": 2}


@dataclass(frozen=True, slots=True)
class Found:
    """A node and how it was found. instance: of a worker that proved itself; another one after each start."""

    node: Node
    way: Way = "named"
    instance: str | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """This node is one of the cluster's from now on."""

    found: Found


@dataclass(frozen=True, slots=True)
class Forgotten:
    """It is none any more: it was withdrawn, its name has other addresses, or it does not prove itself again."""

    found: Found


Change = Known | Forgotten


class KnownNodes:
    """What all sources know together, at most so many."""

    def __init__(self, most: int = MOST_NODES) -> None:
        self._most = most
        self._seen: dict[str, tuple[Found, ...]] = {}
        self._known: dict[str, Found] = {}

    @property
    def nodes(self) -> tuple[Found, ...]:
        return tuple(self._known.values())

    def see(self, source: str, found: Iterable[Found]) -> list[Change]:
        """`source` knows these now and no others. What is gone comes first."""
        self._seen[source] = tuple(found)
        if not self._seen[source]:
            del self._seen[source]
        settled = self._settled()
        gone = [Forgotten(old) for name, old in self._known.items() if not _is_same(settled.get(name), old)]
        new = [Known(found) for name, found in settled.items() if not _is_same(self._known.get(name), found)]
        self._known = settled
        return [*gone, *new]

    def _settled(self) -> dict[str, Found]:
        candidates = [one for found in self._seen.values() for one in found]
        settled: dict[str, Found] = {}
        taken: set[str] = set()
        for found in sorted(candidates, key=self._order):
            marks = _marks(found)
            if len(settled) < self._most and not marks & taken:
                settled[found.node.id] = found
                taken |= marks
        return settled

    def _order(self, found: Found) -> tuple[int, bool, str]:
        return _RANK[found.way], not _is_same(self._known.get(found.node.id), found), found.node.id


def _is_same(one: Found | None, other: Found) -> bool:
    """A worker that was started anew at its old address is the same node."""
    return one is not None and one.node == other.node


def _marks(found: Found) -> set[str]:
    """What no two nodes have in common."""
    marks = {f"id {found.node.id}", f"url {found.node.url.removesuffix('/v1')}"}
    return marks | {f"instance {found.instance}"} if found.instance else marks


@dataclass(frozen=True, slots=True)
class Sighting:
    """An announcement that could be true. label: who it says it is, in plain characters. model, instance: its words."""

    name: str
    label: str
    addresses: tuple[str, ...]
    port: int
    model: str | None = None
    instance: str | None = None


def sighting_of(
    name: str, addresses: Iterable[str], port: int | None, pairs: Mapping[bytes, bytes | None]
) -> Sighting | None:
    """None for an announcement that is no worker's of this version, or of one that is not nearby."""
    label = name[: -len(TYPE) - 1] if name.lower().endswith(f".{TYPE}") else ""
    nearby = list(dict.fromkeys(plain for text in addresses if (plain := nearby_address(text)) is not None))
    if not label or not nearby or port is None or not 0 < port < 65536 or pairs.get(b"v") != VERSION.encode():
        return None
    plain = _ODD.sub("-", label)[:_LONGEST_LABEL].strip("-") or "worker"
    model, instance = _text(pairs.get(b"model")), _text(pairs.get(b"instance"))
    instance = instance if instance and _INSTANCE.fullmatch(instance) else None
    return Sighting(name, plain, tuple(nearby[:MOST_ADDRESSES]), port, model, instance)


def node_at(label: str, address: str, port: int, token: SecretStr | None, path: str = "") -> Node:
    """The node of that name at one address. Its id has the address in it, so that nobody can take another's name."""
    at = address_of(address, port)
    return Node(
        id=f"{label[:_LONGEST_LABEL]}@{at.replace('[', '').replace(']', '')}", url=f"http://{at}{path}", token=token
    )


def _text(value: bytes | None) -> str | None:
    text = (value or b"").decode("utf-8", "replace")
    return text if text.isprintable() and 0 < len(text) <= _LONGEST_MODEL else None
