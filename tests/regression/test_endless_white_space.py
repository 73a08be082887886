"""White space at the beginning of an answer was held without a bound, and looked at anew with each piece of it.

A model that writes line ends and nothing else stopped the whole proxy for minutes.
"""

from anyclaude.convert.chunks import ChunkReader
from anyclaude.wire.events import Finished, TextDelta
from tests.support.streams import finish, ids, read, text


def test_it_is_let_through_beyond_a_bound() -> None:
    reader, held, longest = ChunkReader(ids()), 0, 0
    for _ in range(200):
        said = sum(len(event.text) for event in reader.feed(text("\n" * 100)) if isinstance(event, TextDelta))
        held += 100 - said
        longest = max(longest, held)
    assert longest <= 4096
    assert held == 0


def test_a_little_of_it_is_still_no_text() -> None:
    assert read(text("\n" * 4096), finish()) == [Finished("end_turn")]
