"""Pictures made by hand."""

import math
import struct
import zlib


def red_square() -> bytes:
    """A PNG of 8 x 8 red pixels."""
    rows = (b"\0" + b"\xff\0\0" * 8) * 8
    header = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _part(b"IHDR", header) + _part(b"IDAT", zlib.compress(rows)) + _part(b"IEND", b"")


def curve(width: int = 240, height: int = 96) -> bytes:
    """A PNG of water with waves."""
    rows = b"".join(b"\0" + b"".join(_water(x, y, height) for x in range(width)) for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _part(b"IHDR", header) + _part(b"IDAT", zlib.compress(rows)) + _part(b"IEND", b"")


def _water(x: int, y: int, height: int) -> bytes:
    level = height / 2 + height / 3 * math.sin(x / 18)
    return b"\x0b\x6a\x72" if abs(y - level) < 2 else b"\xdc\xed\xee" if y > level else b"\xf7\xf9\xf9"


def _part(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
