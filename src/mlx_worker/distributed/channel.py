"""The wire between the leader and its followers: JSON lines over TCP.

mlx could carry these too, but who waits in one of its collectives keeps a core busy, and with jaccl never learns that
its peer is gone. Here an idle follower sleeps, and a lost one is a closed connection.

A follower is let in with the secret that the supervisor gave to every rank; after the last one nobody is.
"""

import hmac
import json
import socket
import struct
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

HELLO_SECONDS = 10.0
SEND_SECONDS = 60
LONGEST_HELLO = 4096  # bytes
LONGEST = 1 << 28  # bytes; a million tokens take seven million
SILENT_SECONDS = 10  # then the system asks whether the peer is still there
ASKED_TIMES = 3

Message = dict[str, Any]


class ChannelClosed(Exception):
    """The peer is gone, or was silent for too long."""


class Channel:
    """One connection. Sending and receiving may go on in different threads, but each in one at a time."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", SEND_SECONDS, 0))
        _watch_peer(connection)
        connection.settimeout(None)
        self._came = bytearray()

    def send(self, message: Message) -> None:
        """Raises ChannelClosed."""
        try:
            self._socket.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise ChannelClosed(str(error)) from error

    def receive(self, longest: int = LONGEST) -> Message:
        """Wait for a message of at most so many bytes. Raises ChannelClosed, and ValueError for what is no JSON."""
        looked = 0
        while (end := self._came.find(b"\n", looked)) < 0:
            looked = len(self._came)
            if looked > longest:
                raise ChannelClosed("a message is too long")
            self._came += self._more()
        line = bytes(self._came[:end])
        del self._came[: end + 1]
        message: Message = json.loads(line)
        return message

    def _more(self) -> bytes:
        try:
            piece = self._socket.recv(1 << 16)
        except OSError as error:
            raise ChannelClosed(str(error)) from error
        if not piece:
            raise ChannelClosed("the connection was closed")
        return piece

    def receive_within(self, seconds: float, longest: int = LONGEST) -> Message:
        """One message that is due. The channel is of no use after ChannelClosed."""
        self._socket.settimeout(max(seconds, 0.001))
        message = self.receive(longest)
        self._socket.settimeout(None)
        return message

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def _watch_peer(connection: socket.socket) -> None:
    """A machine that lost its power closes no connection."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    idle = "TCP_KEEPALIVE" if sys.platform == "darwin" else "TCP_KEEPIDLE"
    connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, idle), SILENT_SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, SILENT_SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, ASKED_TIMES)


def listen_at(host: str) -> socket.socket:
    """A free port there. Raises OSError."""
    return socket.create_server((host, 0))


def connect(address: tuple[str, int], secret: str, hello: Message) -> Channel:
    """A follower's way in. Raises ChannelClosed."""
    try:
        channel = Channel(socket.create_connection(address, HELLO_SECONDS))
    except OSError as error:
        raise ChannelClosed(f"the first host cannot be reached at {address[0]}:{address[1]} ({error})") from error
    channel.send({"secret": secret, **hello})
    return channel


def gather(
    listener: socket.socket, secret: str, ranks: Sequence[int], seconds: float
) -> dict[int, tuple[Channel, Message]]:
    """Every follower's channel and hello, by rank. Strangers are turned away. Raises ChannelClosed when time is up."""
    deadline = time.monotonic() + seconds
    found: dict[int, tuple[Channel, Message]] = {}
    while missing := [rank for rank in ranks if rank not in found]:
        listener.settimeout(max(deadline - time.monotonic(), 0.001))
        try:
            connection, _ = listener.accept()
        except OSError as error:
            raise ChannelClosed(f"rank {missing[0]} did not come within {seconds:.0f} seconds") from error
        channel = Channel(connection)
        if hello := _greeted(channel, secret):
            found[int(hello["rank"])] = channel, hello
    listener.close()
    return found


def _greeted(channel: Channel, secret: str) -> Message | None:
    with suppress(ChannelClosed, ValueError, TypeError):
        hello = channel.receive_within(HELLO_SECONDS, LONGEST_HELLO)
        if hmac.compare_digest(str(hello.get("secret")).encode(), secret.encode()):
            return hello
    channel.close()
    return None
