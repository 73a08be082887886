"""`~/.anyclaude/cluster.json`: the nodes that `anyclaude cluster drain` took out, for every proxy of this person.

A node is known by its address, because two projects may call different machines by one name. Every proxy looks at the
file before it chooses a node; that costs one `stat` while nothing has changed.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from anyclaude.config.files import parsed, read
from anyclaude.config.own_files import locked, write_private
from anyclaude.config.upstreams import Node
from anyclaude.errors import SetupError

NAME: Final = "cluster.json"
LABEL: Final = f"~/.anyclaude/{NAME}"

_KEY: Final = "drained"
_NEXT: Final = "remove it, and drain again what should be"

log = logging.getLogger(__name__)


def address_of(node: Node) -> str:
    """By what a node is known in the file: its URL, without `/v1`."""
    return node.url.removesuffix("/v1")


def drained_nodes(folder: Path) -> dict[str, str]:
    """The ids of what is drained, by address. folder: `settings.home`. Raises SetupError for a file that is no list."""
    found = read(folder.expanduser() / NAME, LABEL)
    if found is None:
        return {}
    try:
        tree = parsed(found)
    except SetupError as error:
        raise SetupError(f"{error.message}; {_NEXT}") from None
    listed = tree.get(_KEY, {}) if isinstance(tree, Mapping) else None
    if not isinstance(listed, Mapping) or not all(isinstance(node, str) for node in listed.values()):
        raise SetupError(f"{LABEL} is no list of nodes; {_NEXT}")
    return dict(listed)


def drain(folder: Path, node: Node) -> bool:
    """Take a node out. Returns False when it is out already. Raises SetupError."""
    path = folder.expanduser() / NAME
    with locked(path):
        there = drained_nodes(folder)
        if address_of(node) in there:
            return False
        write_private(path, {_KEY: {**there, address_of(node): node.id}})
    return True


def undrain(folder: Path, address: str) -> bool:
    """Let a node in again. Returns False when it was not out. Raises SetupError."""
    path = folder.expanduser() / NAME
    with locked(path):
        there = drained_nodes(folder)
        if there.pop(address, None) is None:
            return False
        write_private(path, {_KEY: there})
    return True


class Drained:
    """The file as a proxy follows it. A file that cannot be read changes nothing, and is told of once in the log."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder.expanduser() / NAME
        self._seen: tuple[int, ...] | None = None
        self._addresses: frozenset[str] = frozenset()

    def addresses(self) -> frozenset[str]:
        """Of the nodes that are drained now."""
        seen = self._signature()
        if seen != self._seen:
            self._seen = seen
            try:
                self._addresses = frozenset(drained_nodes(self._folder))
            except SetupError as error:
                log.warning("what is drained stays as it was: %s", error.message)
        return self._addresses

    def _signature(self) -> tuple[int, ...] | None:
        """Another one after each writing, which makes a new file."""
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size
