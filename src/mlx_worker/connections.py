"""A client's connection, where uvicorn leaves something open: how long a client may take, and what no HTTP is answered.

The head of a request has a deadline from the connection on, and from its first byte on a connection that is kept; who
takes nothing of what waits for it is let go, which cancels its answer. What cannot be read is refused as all else is.
"""

import asyncio
from typing import Any

import h11
import orjson
from uvicorn.protocols.http.h11_impl import H11Protocol

from mlx_worker.errors import BadRequest, HeadTooSlow, WorkerError


class Connection(H11Protocol):
    """head_seconds: for the head of a request. taking_seconds: until a client takes something of what waits for it."""

    head_seconds = 30.0
    taking_seconds = 60.0

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._slow: asyncio.TimerHandle | None = None
        self._full: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_for_a_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._slow = _ended(self._slow)
        elif self._slow is None and self.conn.trailing_data[0]:
            self._wait_for_a_head()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._expect_to_be_read()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._full = _ended(self._full)

    def connection_lost(self, exc: Exception | None) -> None:
        self._slow, self._full = _ended(self._slow), _ended(self._full)
        super().connection_lost(exc)

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._expect_to_be_read()

    def send_400_response(self, msg: str) -> None:
        self._refuse(BadRequest("this is not a request in HTTP/1.1; its connection is closed"))

    def _wait_for_a_head(self) -> None:
        self._slow = self.loop.call_later(self.head_seconds, self._give_up)

    def _give_up(self) -> None:
        self._slow = None
        if not self.transport.is_closing():
            self._refuse(HeadTooSlow("the head of the request did not come in time"))

    def _refuse(self, error: WorkerError) -> None:
        """End the connection, with an answer that no request is there for unless another one has begun."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = orjson.dumps(error.body())
            head = f"HTTP/1.1 {error.status} Refused\r\nContent-Type: application/json\r\nConnection: close\r\n"
            self.transport.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        self.transport.close()
        self._expect_to_be_read()

    def _expect_to_be_read(self) -> None:
        if self._full is None and self.transport.get_write_buffer_size():
            self._full = self.loop.call_later(self.taking_seconds, self.transport.abort)


def _ended(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    """None, in place of a timer that is no longer wanted."""
    if timer is not None:
        timer.cancel()
    return None
