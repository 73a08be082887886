"""Requests whose end, or whose meaning, two readers would see differently; behind most of them a second one is hidden.

They are written for the proxy; for a worker only the path is another.
"""

from collections.abc import Mapping
from typing import Final

_BODY: Final = b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"Hi"}]}'
_RIGHT: Final = b"Host: 127.0.0.1:PORT\r\nAuthorization: Bearer TOKEN\r\n\r\n"
_SMUGGLED: Final = b"GET /health HTTP/1.1\r\n" + _RIGHT


def _raw(*lines: str, body: bytes = _BODY) -> bytes:
    head = [
        "POST /v1/messages HTTP/1.1",
        "Host: 127.0.0.1:PORT",
        "Authorization: Bearer TOKEN",
        "Content-Type: application/json",
    ]
    return "\r\n".join([*head, *lines, "", ""]).encode("latin-1") + body


_CHUNKED: Final = b"%x\r\n%s\r\n0\r\n\r\n" % (len(_BODY), _BODY)
_LENGTH: Final = f"Content-Length: {len(_BODY)}"

SMUGGLED: Final[Mapping[str, bytes]] = {
    "length and chunks": _raw(_LENGTH, "Transfer-Encoding: chunked", body=b"0\r\n\r\n" + _SMUGGLED),
    "chunks and length": _raw("Transfer-Encoding: chunked", "Content-Length: 4", body=_CHUNKED + _SMUGGLED),
    "two lengths": _raw("Content-Length: 2", _LENGTH, body=b"{}" + _SMUGGLED),
    "two equal lengths": _raw(_LENGTH, _LENGTH, body=_BODY + _SMUGGLED),
    "a list of lengths": _raw("Content-Length: 2, 80", body=b"{}" + _SMUGGLED),
    "a negative length": _raw("Content-Length: -1", body=_SMUGGLED),
    "a length with a sign": _raw("Content-Length: +2", body=b"{}" + _SMUGGLED),
    "a length in hexadecimal": _raw("Content-Length: 0x2", body=b"{}" + _SMUGGLED),
    "a length with an underscore": _raw("Content-Length: 1_0", body=b"{}" + _SMUGGLED),
    "a length that is none": _raw("Content-Length: ", body=_SMUGGLED),
    "a length beyond all integers": _raw("Content-Length: " + "9" * 40, body=_SMUGGLED),
    "an unknown transfer coding": _raw("Transfer-Encoding: xchunked", body=_CHUNKED + _SMUGGLED),
    "chunks that are not the last coding": _raw("Transfer-Encoding: chunked, identity", body=_CHUNKED + _SMUGGLED),
    "two transfer codings": _raw(
        "Transfer-Encoding: chunked", "Transfer-Encoding: identity", body=_CHUNKED + _SMUGGLED
    ),
    "a vertical tab before the coding": _raw("Transfer-Encoding: \x0bchunked", body=_CHUNKED + _SMUGGLED),
    "a folded header": _raw("X-Long: a", " Transfer-Encoding: chunked", _LENGTH),
    "a space before the colon": _raw("Content-Length : 2", body=b"{}" + _SMUGGLED),
    "a line without a colon": _raw("Transfer-Encoding", _LENGTH),
    "a header without a name": _raw(": chunked", _LENGTH),
    "a name that is no token": _raw("X(Y): a", _LENGTH),
    "NUL in a value": _raw("X-A: a\0b", _LENGTH),
    "NUL in a name": _raw("X\0A: b", _LENGTH),
    "a bare CR in a value": _raw("X-A: a\rTransfer-Encoding: chunked", _LENGTH),
    "bare LF as line ends": _raw(_LENGTH).replace(b"\r\n", b"\n"),
    "a chunk of negative size": _raw("Transfer-Encoding: chunked", body=b"-1\r\n" + _SMUGGLED),
    "a chunk size that is no number": _raw("Transfer-Encoding: chunked", body=b"0x4\r\n{}{}\r\n0\r\n\r\n" + _SMUGGLED),
    "a chunk size beyond all integers": _raw("Transfer-Encoding: chunked", body=b"f" * 40 + b"\r\n" + _BODY),
    "a chunk longer than it says": _raw("Transfer-Encoding: chunked", body=b"2\r\n{}xx\r\n0\r\n\r\n" + _SMUGGLED),
    "a chunk ended by a bare LF": _raw("Transfer-Encoding: chunked", body=b"2\n{}\n0\n\n" + _SMUGGLED),
    "HTTP/0.9": b"GET /health\r\n\r\n",
    "a version that is none": b"GET /health HTTP/9.9\r\n" + _RIGHT,
    "a method that is no token": b"GE(T /health HTTP/1.1\r\n" + _RIGHT,
    "a space in the target": b"GET /hea lth HTTP/1.1\r\n" + _RIGHT,
    "control characters in the target": b"GET /\x01\x1b[2J HTTP/1.1\r\n" + _RIGHT,
    "the greeting of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "the greeting of TLS": bytes.fromhex("16030100c8010000c40303") + b"\0" * 200 + b"\r\n\r\n",
}
