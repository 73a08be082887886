"""Seeded filler text with an exact size in bytes."""

import random
from functools import cache

import orjson

_FILLER = (
    "river stone lantern copper window orchard the of a to and in with from over under quiet brisk amber "
    "ladder harbour timber signal meadow north kettle paper bridge violet answer carry follow gather measure "
    'open settle turn `path` «note» — (see below), [x] * item: \\d+ "quoted" don\'t é'
)
_WORDS = _FILLER.split()


def filler(size: int, seed: str) -> str:
    """Text that takes exactly `size` bytes inside a JSON string, the same for the same seed."""
    source = random.Random(seed)
    pieces: list[str] = []
    used = 0
    while used < size:
        piece = source.choice(_WORDS) + ("\n" if source.random() < 0.06 else " ")
        used += _json_bytes(piece)
        pieces.append(piece)
    while pieces and used > size:
        used -= _json_bytes(pieces.pop())
    return "".join(pieces) + "." * (size - used)


@cache
def _json_bytes(text: str) -> int:
    return len(orjson.dumps(text)) - 2
