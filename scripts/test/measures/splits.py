"""R2: no cut of a stream makes a difference: python scripts/test/measures/splits.py [--scale F]

Every stream of the fixtures, and constructed ones, cut once at every byte; and streams that hypothesis makes up, each
cut at random, at scale 1 20,000 of them. What a client is told must be the same each time.
"""

import random
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import pairwise

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from measuring import scale, tell
from tests.support.raw_upstream import sse
from tests.support.split_streams import Stream, streams, told
from tests.unit.convert.test_stream_properties import STREAMS

EXAMPLES = 20_000
PROCESSES = 2


def main(part: float) -> None:
    chosen = streams()
    random.Random(1).shuffle(chosen)
    chosen = chosen[: max(2, round(len(chosen) * min(1.0, part)))]
    with ProcessPoolExecutor(PROCESSES) as pool:
        examples = [pool.submit(made_up, number, round(EXAMPLES * part / PROCESSES)) for number in range(PROCESSES)]
        cut = pool.map(partial(cut_everywhere, step=1 if part >= 0.01 else 20), chosen, chunksize=4)
        cuts, different = 0, list[str]()
        for done, (count, wrong) in enumerate(cut, 1):
            cuts, different = cuts + count, different + wrong
            if done % 50 == 0:
                print(f"{done} of {len(chosen)} streams, {cuts:,} cuts, {len(different)} different", file=sys.stderr)
        for future in examples:
            different += future.result()
    tell({"R2": _figure(len(chosen), cuts, round(EXAMPLES * part), different)})


def cut_everywhere(stream: Stream, step: int) -> tuple[int, list[str]]:
    """How many cuts, and which of them made a difference. step: bytes between two of them; 1: every border."""
    whole, places = told([stream.body], stream.opened), range(1, len(stream.body), step)
    wrong = [
        f"{stream.name}, cut at {at}"
        for at in places
        if told([stream.body[:at], stream.body[at:]], stream.opened) != whole
    ]
    if told([stream.body[at : at + 1] for at in range(len(stream.body))], stream.opened) != whole:
        wrong.append(f"{stream.name}, byte by byte")
    return len(places) + 1, wrong


def made_up(number: int, examples: int) -> list[str]:
    """Streams that hypothesis makes up: those that a cut made different, the smallest it found."""
    wrong: list[str] = []

    @seed(number)
    @settings(
        max_examples=max(1, examples),
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(STREAMS, st.sampled_from([b"\n", b"\r", b"\r\n"]), st.lists(st.integers(0, 4000), max_size=12))
    def same(chunks: Sequence[object], line_end: bytes, places: list[int]) -> None:
        whole = (b"".join(map(sse, chunks)) + sse("[DONE]")).replace(b"\n", line_end)
        borders = [0, *sorted(min(place, len(whole)) for place in places), len(whole)]
        pieces = [whole[a:b] for a, b in pairwise(borders)]
        if told(pieces) != told([whole]):
            wrong.append(f"{pieces}"[:400])

    began = time.monotonic()
    same()
    print(f"{examples:,} made-up streams in {time.monotonic() - began:.0f} s", file=sys.stderr)
    return wrong


def _figure(count: int, cuts: int, examples: int, different: Sequence[str]) -> dict[str, object]:
    measured = f"{count} streams at {cuts:,} borders and {examples:,} generated ones: {len(different)} differences"
    figure: dict[str, object] = {"measured": measured, "met": not different}
    return figure | ({"note": f"first: {different[0]}"} if different else {})


if __name__ == "__main__":
    main(scale(__doc__))
