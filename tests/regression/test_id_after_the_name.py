"""A call whose id came after its name had one id or another, by how the network cut the answer.

Where both came in one read the call took the server's id, where the name came alone a new one. 3 of 20,000 made-up
streams showed it (`scripts/test/measures/splits.py`), since the calls of a read are spoken of once.
"""

from tests.support.raw_upstream import sse
from tests.support.split_streams import told
from tests.support.streams import call, finish

CALL = [call(0, None, "Read", ""), call(0, "call_0", None, '{"file_path": "/x"}'), finish("tool_calls")]
BODY = b"".join(map(sse, CALL)) + sse("[DONE]")


def test_a_call_has_the_same_id_however_its_answer_is_cut() -> None:
    whole = told([BODY])
    assert not [at for at in range(1, len(BODY)) if told([BODY[:at], BODY[at:]]) != whole]


def test_an_id_that_comes_before_the_name_is_kept() -> None:
    begun = [call(0, "call_0", None, ""), call(0, None, "Read", '{"file_path": "/x"}'), finish("tool_calls")]
    message, _ = told([b"".join(map(sse, begun)) + sse("[DONE]")])
    assert message["content"][0]["id"] == "call_0"
