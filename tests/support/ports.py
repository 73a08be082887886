"""Ports that nobody else is given while a test needs them: closed at first, open once a server of the test is there.

One that was only looked up may be another program's a moment later: two files of tests run at a time.
"""

import socket
import sys
from typing import Final, Self

_SHARED: Final = sys.platform == "linux"
"""Where a socket that does not listen keeps a port from strangers and lets in whoever binds it with SO_REUSEADDR, as
every server here does (ip(7) and socket(7)). Elsewhere the port is only a free one."""


class HeldPort:
    """One port of 127.0.0.1, until `close` or the end of the block."""

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.number: int = self._socket.getsockname()[1]
        if not _SHARED:
            self._socket.close()

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
