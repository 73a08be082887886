"""The bench's client: raw sockets, so that what it adds to the times is the kernel's work and little more."""

import selectors
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from failure import BenchError

_END_OF_CHUNKS = b"\r\n0\r\n\r\n"
_DEADLINE = 60.0  # seconds for one answer
_READ = 1 << 18


@dataclass(slots=True)
class Answer:
    """One HTTP answer as it arrives. Times are in seconds since the request was sent."""

    marker: bytes
    began: float
    first_content: float | None = None
    took: float = 0.0
    received: bytearray = field(default_factory=bytearray)
    _seen: int = 0

    def feed(self, piece: bytes) -> bool:
        """Take what one read gave; True once the answer is whole. Raises BenchError."""
        if not piece:
            raise BenchError("the connection was closed in the middle of an answer")
        now = time.perf_counter() - self.began
        self.received += piece
        if self.first_content is None and self.received.find(self.marker, self._seen) >= 0:
            self.first_content = now
        self._seen = max(len(self.received) - len(self.marker), 0)
        if not self._whole():
            return False
        self.took = now
        self._check_status()
        return True

    def body(self) -> bytes:
        head, _, rest = bytes(self.received).partition(b"\r\n\r\n")
        return b"".join(_dechunked(rest)) if b"chunked" in head.lower() else rest

    def _whole(self) -> bool:
        if self.received.endswith(_END_OF_CHUNKS):
            return True
        head, separator, _ = self.received[:4096].partition(b"\r\n\r\n")
        _, found, length = head.lower().partition(b"content-length: ")
        return bool(separator and found) and len(self.received) - len(head) - 4 >= int(length.split()[0])

    def _check_status(self) -> None:
        status = bytes(self.received[9:12])  # after `HTTP/1.1 `
        if status != b"200":
            said = self.body()[:300].decode("utf-8", "replace")
            raise BenchError(f"the answer has status {status.decode()} and says: {said}")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a target listens, and the request it gets, as bytes."""

    host: str
    port: int
    wire: bytes = b""

    def connect(self) -> socket.socket:
        link = socket.create_connection((self.host, self.port), timeout=_DEADLINE)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return link


def post(url: str, headers: dict[str, str], body: bytes) -> Address:
    """The address of `url` with a whole POST request for it."""
    parts = urlsplit(url)
    host, port = str(parts.hostname), parts.port or 80
    lines = {
        "Host": f"{host}:{port}",
        "Connection": "keep-alive",
        "Content-Length": str(len(body)),
        **headers,
    }
    query = f"?{parts.query}" if parts.query else ""
    head = f"POST {parts.path}{query} HTTP/1.1\r\n" + "".join(f"{name}: {text}\r\n" for name, text in lines.items())
    return Address(host, port, head.encode() + b"\r\n" + body)


def ask(link: socket.socket, wire: bytes, marker: bytes) -> Answer:
    """Send one request and wait for the whole answer. Raises BenchError."""
    answer = Answer(marker, time.perf_counter())
    try:
        link.sendall(wire)
        while not answer.feed(link.recv(_READ)):
            pass
    except OSError as error:
        raise BenchError(f"no whole answer came: {error}") from error
    return answer


def ask_at_once(address: Address, count: int, marker: bytes) -> tuple[list[Answer], list[str]]:
    """Send `count` requests at once, each on a connection of its own: the answers, and what failed."""
    links = [address.connect() for _ in range(count)]
    with selectors.DefaultSelector() as waiting:
        for link in links:
            link.setblocking(False)
            sending = _Sending(Answer(marker, time.perf_counter()), memoryview(address.wire))
            waiting.register(link, selectors.EVENT_WRITE, sending)
        answers, errors = _drive(waiting, time.monotonic() + _DEADLINE)
    for link in links:
        link.close()
    return answers, errors


@dataclass(slots=True)
class _Sending:
    answer: Answer
    left: memoryview


def _drive(waiting: selectors.BaseSelector, deadline: float) -> tuple[list[Answer], list[str]]:
    answers: list[Answer] = []
    errors: list[str] = []
    while waiting.get_map() and time.monotonic() < deadline:
        for key, _ in waiting.select(timeout=1.0):
            try:
                if _advance(waiting, key):
                    answers.append(key.data.answer)
                    waiting.unregister(key.fileobj)
            except (OSError, BenchError) as error:
                errors.append(str(error))
                waiting.unregister(key.fileobj)
    errors += [f"no whole answer in {_DEADLINE:.0f} s"] * len(waiting.get_map())
    return answers, errors


def _advance(waiting: selectors.BaseSelector, key: selectors.SelectorKey) -> bool:
    """Send or read what the socket takes or has now; True once the answer is whole."""
    link, sending = key.fileobj, key.data
    assert isinstance(link, socket.socket)
    if not sending.left:
        return bool(sending.answer.feed(link.recv(_READ)))
    sending.left = sending.left[link.send(sending.left) :]
    if not sending.left:
        waiting.modify(link, selectors.EVENT_READ, sending)
    return False


def _dechunked(rest: bytes) -> Iterator[bytes]:
    at = 0
    while (end := rest.find(b"\r\n", at)) >= 0 and (size := int(rest[at:end], 16)):
        yield rest[end + 2 : end + 2 + size]
        at = end + 2 + size + 2
