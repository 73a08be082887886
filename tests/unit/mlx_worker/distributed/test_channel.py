"""Messages between ranks, over real sockets on this machine."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from mlx_worker.distributed.channel import Channel, ChannelClosed, connect, gather, listen_at

SECRET = "a shared secret"
SOON = 20.0


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = socket.create_connection(server.getsockname())
        other, _ = server.accept()
    pair = Channel(one), Channel(other)
    yield pair
    for channel in pair:
        channel.close()


def test_messages_arrive_whole_and_in_order(ends: tuple[Channel, Channel]) -> None:
    long = {"tokens": list(range(100_000)), "text": "line\nbreak \u2028 ü"}

    def send() -> None:
        for message in ({"first": 1}, long):
            ends[0].send(message)

    sending = threading.Thread(target=send)
    sending.start()
    assert [ends[1].receive(), ends[1].receive()] == [{"first": 1}, long]
    sending.join(SOON)


def test_a_closed_peer_is_told(ends: tuple[Channel, Channel]) -> None:
    ends[0].close()
    with pytest.raises(ChannelClosed):
        ends[1].receive()


def test_a_message_that_is_due_and_does_not_come(ends: tuple[Channel, Channel]) -> None:
    with pytest.raises(ChannelClosed, match="timed out"):
        ends[1].receive_within(0.01)


def gathering(listener: socket.socket, pool: ThreadPoolExecutor, *ranks: int) -> "Future[dict[int, Any]]":
    return pool.submit(gather, listener, SECRET, ranks, SOON)


def test_every_follower_is_let_in_and_strangers_are_not() -> None:
    listener = listen_at("127.0.0.1")
    address = listener.getsockname()
    with ThreadPoolExecutor(1) as pool:
        gathered = gathering(listener, pool, 1, 2)
        with socket.create_connection(address) as scanner:
            scanner.sendall(b"GET / HTTP/1.1\r\n\r\n")
            stranger = connect(address, "a guess", {"rank": 1})
            with pytest.raises(ChannelClosed):
                stranger.receive_within(SOON)
        second = connect(address, SECRET, {"rank": 2, "model": "m"})
        first = connect(address, SECRET, {"rank": 1, "model": "m"})
        came = gathered.result(SOON)
    assert {rank: hello["model"] for rank, (_, hello) in came.items()} == {1: "m", 2: "m"}
    came[2][0].send({"for": 2})
    assert second.receive() == {"for": 2}
    with pytest.raises(ChannelClosed, match="cannot be reached"):
        connect(address, SECRET, {"rank": 3})
    for channel in (first, second, stranger, came[1][0], came[2][0]):
        channel.close()


def test_a_follower_that_does_not_come_in_time() -> None:
    with listen_at("127.0.0.1") as listener, pytest.raises(ChannelClosed, match="rank 1 did not come"):
        gather(listener, SECRET, [1], 0.01)
