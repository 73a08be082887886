"""A node of the cluster in a process of its own, to be killed and started again at the same port."""

import subprocess
import sys
from types import TracebackType
from typing import Self

from tests.support.ports import HeldPort

WORDS = 40

_PROGRAM = r"""
import asyncio, json, sys

HEAD = "HTTP/1.1 {}\r\nContent-Type: {}\r\n{}\r\n\r\n"

def length_of(head):
    lines = (line.lower() for line in head.split("\r\n"))
    return next((int(line[15:]) for line in lines if line.startswith("content-length:")), 0)

def event(delta, finish=None):
    chunk = {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"

def listed(head):
    body = json.dumps({"data": [{"id": "killable", "context_length": 32768}]})
    status = "200 OK" if " /v1/models " in head else "404 Not Found"
    return (HEAD.format(status, "application/json", f"Content-Length: {len(body)}") + body).encode()

async def serve(reader, writer):
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            await reader.readexactly(length_of(head))
            if head.startswith("POST"):
                break
            writer.write(listed(head))
            await writer.drain()
        writer.write(HEAD.format("200 OK", "text/event-stream", "Connection: close").encode())
        for _ in range(int(sys.argv[2])):
            writer.write(event({"content": "word "}))
            await writer.drain()
            await asyncio.sleep(0.004)
        writer.write(event({}, "stop") + b"data: [DONE]\n\n")
        await writer.drain()
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]))
    print("listening", flush=True)
    await server.serve_forever()

asyncio.run(main())
"""


class KillableNode:
    """Answers with WORDS words, one after the other. `kill` is SIGKILL."""

    def __init__(self) -> None:
        self._port = HeldPort()
        self.url = f"http://127.0.0.1:{self._port.number}"
        self._child: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Returns when it listens."""
        command = [sys.executable, "-I", "-c", _PROGRAM, str(self._port.number), str(WORDS)]
        self._child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._child.stdout is not None
        assert self._child.stdout.readline() == "listening\n"

    def kill(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            assert self._child.stdout is not None
            self._child.stdout.close()
            self._child = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self._port.close()
