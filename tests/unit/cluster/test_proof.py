"""Whether an answer proves that who gave it knows the key."""

import pytest

from anyclaude.cluster.proof import Challenge, Unproved
from anyclaude.wire.proof import address_of, key_of, proof

KEY = key_of("a secret of the household")
NONCE, OTHER, OWN = bytes(range(32)), bytes(32), b"w" * 32
CHALLENGE = Challenge("10.0.0.5", 8081, NONCE)


def _answer(
    key: bytes = KEY, nonce: bytes = NONCE, host: str = "10.0.0.5", port: int = 8081, **changed: object
) -> dict[str, object]:
    """A worker's at that address. changed: what somebody made of it on the way."""
    address = address_of(host, port)
    given = proof(key, nonce, OWN, "i1", address)
    return {"nonce": OWN.hex(), "instance": "i1", "address": address, "proof": given, **changed}


def test_the_right_answer_names_the_instance() -> None:
    assert CHALLENGE.judge(KEY, _answer()) == "i1"


def test_the_same_address_in_another_notation() -> None:
    challenge = Challenge("::ffff:10.0.0.5", 8081, NONCE)
    assert challenge.judge(KEY, _answer()) == "i1"


def test_another_key() -> None:
    with pytest.raises(Unproved, match=r"^10.0.0.5:8081 does not know the cluster's key; give its worker the same MLX"):
        CHALLENGE.judge(KEY, _answer(key_of("another secret of others")))


def test_an_answer_to_an_earlier_question() -> None:
    with pytest.raises(Unproved, match="does not know the cluster's key"):
        CHALLENGE.judge(KEY, _answer(nonce=OTHER))


@pytest.mark.parametrize(("host", "port"), [("10.0.0.6", 8081), ("10.0.0.5", 8082)])
def test_a_question_that_was_handed_on_to_a_real_worker(host: str, port: int) -> None:
    relayed = _answer(host=host, port=port)
    with pytest.raises(Unproved, match="hands questions on to another address; name that worker in the nodes"):
        CHALLENGE.judge(KEY, relayed)
    with pytest.raises(Unproved, match="does not know"):
        CHALLENGE.judge(KEY, {**relayed, "address": "10.0.0.5:8081"})


@pytest.mark.parametrize("field", ["nonce", "instance", "proof"])
def test_no_field_can_be_exchanged(field: str) -> None:
    other = {"nonce": OTHER.hex(), "instance": "i2", "proof": OTHER.hex()}[field]
    with pytest.raises(Unproved, match="does not know"):
        CHALLENGE.judge(KEY, {**_answer(), field: other})


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        "proof",
        7,
        {},
        {"error": {"message": "no"}},
        _answer() | {"nonce": None},
        _answer() | {"nonce": "00"},
        _answer() | {"nonce": "z" * 64},
        _answer() | {"proof": ""},
        _answer() | {"proof": 5},
        _answer() | {"proof": "é" * 64},
        _answer() | {"proof": {"a": 1}},
        _answer() | {"instance": None},
        _answer() | {"instance": ["i1"]},
        _answer() | {"instance": "i" * 129},
        _answer() | {"instance": "\ud800"},
        _answer() | {"instance": "i\n1"},
        _answer() | {"address": None},
        _answer() | {"address": 8081},
        _answer() | {"address": "1" * 129},
    ],
)
def test_an_answer_of_another_shape(answer: object) -> None:
    with pytest.raises(Unproved, match="does not answer like a worker of this version"):
        CHALLENGE.judge(KEY, answer)
