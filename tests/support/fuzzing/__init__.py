"""What is fuzzed: each target takes any bytes, and raises only where something is wrong with us.

Errors that are ours to raise are caught in the targets, and held to being one of those that the part promises.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from tests.support.fuzzing.answers import answer, chunks
from tests.support.fuzzing.decoder import decoder
from tests.support.fuzzing.requests import request
from tests.support.fuzzing.scanner import scanner
from tests.support.fuzzing.settings import config

TARGETS: Final[Mapping[str, Callable[[bytes], None]]] = {
    "decoder": decoder,
    "chunks": chunks,
    "scanner": scanner,
    "request": request,
    "config": config,
    "answer": answer,
}
SEEDS: Final[Sequence[bytes]] = (
    b"",
    bytes(range(256)),
    b'\x01\x03data: {"a": 1}\n\nevent: x\ndata: y\r\n\r\n: z\n\n',
    b"\x00\x00\x00data: a\n\ndata: b\n\n",
    b'\x01\x01{"backend": "lmstudio", "backends": {"lmstudio": {"baseUrl": "http://a:1"}}}',
    b"\x05\x01\x02\x03\x04\x05\x06\x07\x00\x01" * 12,
    b"\x04\x00\x01Hi\x05\x01\x00\x01\x00\x01\x00\x02\x00\x01" * 8,
)
