"""What came of an answer before its connection broke is read all the same.

aiohttp's parser takes a read of the socket as a whole: where the end of it is no HTTP, the head before it is dropped,
and what waits in a body's reader is not given out any more once that has an error. So an answer that was whole was lost
with what came behind it. And whoever waits for a body that breaks HTTP in its middle is not told, and waits on. Here
each head goes to the parser by itself, an error waits until all before it is read, and a body hears of it.

Names of aiohttp's are used that it does not document: a connector's `_factory`, a protocol's `_payload`, a reader's
`set_exception`. The tests in `tests/integration/faults` fail without any of them.
"""

import asyncio
from functools import partial
from typing import Any, Final

import aiohttp
from aiohttp.client_proto import ResponseHandler

from anyclaude.backends.names import Names

_END_OF_HEAD: Final = b"\r\n\r\n"
_UNKNOWN: Final = BaseException()
_HEADS: Final = 2  # in one read: an interim one, and the answer's


class _Piecewise(ResponseHandler):
    """Gives the parser a read in parts that end where a head may end. In a body that does no harm."""

    def data_received(self, data: bytes) -> None:
        for _ in range(_HEADS):
            end = data.find(_END_OF_HEAD) + len(_END_OF_HEAD)
            if not len(_END_OF_HEAD) <= end < len(data):
                break
            super().data_received(data[:end])
            data = data[end:]
        super().data_received(data)

    def set_exception(self, exc: BaseException, exc_cause: BaseException = _UNKNOWN) -> None:
        """What came is no HTTP, so the body will not end.

        Said twice: whoever was just woken by the end of a chunk looks for no error before waiting on.
        """
        super().set_exception(exc, exc_cause)
        body = self._payload
        if body is not None and not body.is_eof() and body.exception() is None:
            error = aiohttp.ClientPayloadError("what came is no HTTP")
            body.set_exception(error, exc)
            self._loop.call_soon(body.set_exception, error, exc)


class Connector(aiohttp.TCPConnector):
    """As its base, with connections that give out what came before they broke, and names that hold up nobody's end."""

    def __init__(self, **how: Any) -> None:
        super().__init__(resolver=Names(), **how)
        self._factory = partial(_Piecewise, loop=self._loop)  # type: ignore[assignment]

    async def _wrap_create_connection(self, *args: Any, addr_infos: list[Any], **how: Any) -> Any:
        """To a plain server of one address the loop connects by itself, in half the time: there is nothing to race."""
        if len(addr_infos) > 1 or how.get("ssl"):
            return await super()._wrap_create_connection(*args, addr_infos=addr_infos, **how)
        host, port = addr_infos[0][4][:2]
        try:
            async with asyncio.timeout(how["timeout"].sock_connect):
                return await self._loop.create_connection(self._factory, host, port)
        except OSError as error:
            if error.errno is None:  # the deadline
                raise
            wrapped = how.get("client_error", aiohttp.ClientConnectorError)
            raise wrapped(how["req"].connection_key, error) from error


async def next_read(content: aiohttp.StreamReader) -> bytes:
    """What came of a body since the last time, empty at its end. An error is raised once nothing is left before it."""
    error = content.exception()
    if error is None:
        return await content.readany()
    content.set_exception(None)  # type: ignore[arg-type]
    rest = content.read_nowait()
    content.set_exception(error)
    if not rest:
        raise error
    return rest
