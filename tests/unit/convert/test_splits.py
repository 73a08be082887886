"""No cut of a stream's bytes makes a difference to what a client is told.

The measure `splits` cuts all of them at every byte.
"""

import pytest

from tests.support.split_streams import Stream, constructed, of_corpus, told

STEP = 23  # prime, so that cuts fall everywhere over the streams
CONSTRUCTED = list(constructed())


@pytest.mark.parametrize("stream", CONSTRUCTED, ids=[stream.name for stream in CONSTRUCTED])
def test_a_constructed_stream_cut_everywhere(stream: Stream) -> None:
    whole = told([stream.body])
    assert told([stream.body[at : at + 1] for at in range(len(stream.body))]) == whole
    for at in range(1, len(stream.body), STEP):
        assert told([stream.body[:at], stream.body[at:]]) == whole, at


def test_streams_of_the_corpus_cut_somewhere() -> None:
    for number, stream in enumerate(list(of_corpus())[::7]):
        at = number * STEP % len(stream.body)
        pieces = [stream.body[:at], stream.body[at:]]
        assert told(pieces, stream.opened) == told([stream.body], stream.opened), (stream.name, at)


def test_the_judge_sees_a_difference() -> None:
    whole = CONSTRUCTED[0].body
    assert told([whole]) != told([whole.replace(b"u00e9", b"u00e8")])
