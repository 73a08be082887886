"""The bench's upstream: a raw asyncio server that spends next to nothing, in a process of its own.

    python upstream.py        prints `listening PORT`, serves until killed

It answers `POST /v1/chat/completions` with the stream of the current plan, whatever the request says, and
`GET /bench/plan?...` sets that plan. The client sets it before each measurement, so it depends on nothing that
a gateway might rewrite.
"""

import asyncio
import contextlib
import functools
import json

from answers import Plan, writes

_MODELS = {"object": "list", "data": [{"id": "bench", "object": "model", "max_context_length": 131072}]}
_NOT_FOUND = {"error": {"message": "File Not Found", "type": "not_found_error", "code": 404}}


class Upstream:
    def __init__(self) -> None:
        self._plan = Plan()
        self._writes = functools.cache(writes)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until the client leaves."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                method, target = await _read_request(reader)
                await self._answer(method, target, writer)
        writer.close()

    async def _answer(self, method: str, target: str, writer: asyncio.StreamWriter) -> None:
        path, _, query = target.partition("?")
        if (method, path) == ("POST", "/v1/chat/completions"):
            await self._stream(writer)
            return
        if path == "/bench/plan":
            self._plan = Plan.from_query(query)
            self._writes(self._plan)
        writer.write(_json_answer(path))
        await writer.drain()

    async def _stream(self, writer: asyncio.StreamWriter) -> None:
        pause = self._plan.pause_ms / 1000
        for place, piece in enumerate(self._writes(self._plan)):
            if pause and place:
                await asyncio.sleep(pause)
            writer.write(piece)
            await writer.drain()


async def _read_request(reader: asyncio.StreamReader) -> tuple[str, str]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    request_line, *lines = head.split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines if ": " in line)
    left = int(headers.get("content-length", 0))
    while left:  # held nowhere: other streams do not wait for a large one
        left -= len(piece := await reader.read(min(left, 1 << 16)))
        if not piece:
            raise ConnectionResetError("the client left in its request")
    method, target, _ = request_line.split(" ")
    return method, target


def _json_answer(path: str) -> bytes:
    status, payload = {
        "/v1/models": (b"200 OK", _MODELS),
        "/bench/plan": (b"200 OK", {}),
    }.get(path, (b"404 Not Found", _NOT_FOUND))
    body = json.dumps(payload).encode()
    head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % (status, len(body)) + body


async def main() -> None:
    server = await asyncio.start_server(Upstream().serve, "127.0.0.1", 0)
    print(f"listening {server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
