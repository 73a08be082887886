"""The proof of a key: what goes into it, and what is read of one."""

import hmac
from hashlib import pbkdf2_hmac, sha256

import pytest

from anyclaude.wire.proof import address_of, key_of, nonce_from, proof

SECRET = "a secret of the household"
PURPOSE = b"anyclaude: this worker knows the key (1)"
ASKED, OWN = bytes(range(32)), bytes(range(32, 64))


def test_what_is_proved_is_written_out_here_once_more() -> None:
    """A worker of one version and a proxy of another must agree for ever."""
    key = pbkdf2_hmac("sha256", SECRET.encode(), PURPOSE, 200_000)
    parts = [PURPOSE, ASKED, OWN, b"i1", b"10.0.0.5:8081"]
    whole = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    assert proof(key_of(SECRET), ASKED, OWN, "i1", "10.0.0.5:8081") == hmac.new(key, whole, sha256).hexdigest()


def test_every_part_counts_and_none_runs_into_the_next() -> None:
    key = key_of(SECRET)
    proofs = [
        proof(key, ASKED, OWN, "i1", "10.0.0.5:8081"),
        proof(key, OWN, ASKED, "i1", "10.0.0.5:8081"),
        proof(key, ASKED, OWN, "i2", "10.0.0.5:8081"),
        proof(key, ASKED, OWN, "i1", "10.0.0.5:8082"),
        proof(key, ASKED, OWN, "i110", ".0.0.5:8081"),
        proof(key_of(SECRET + "."), ASKED, OWN, "i1", "10.0.0.5:8081"),
    ]
    assert len(set(proofs)) == len(proofs)
    assert SECRET.encode() not in key


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("10.0.0.5", "10.0.0.5:80"),
        ("::ffff:10.0.0.5", "10.0.0.5:80"),
        ("FD00:0::1", "[fd00::1]:80"),
        ("fe80::1%en0", "[fe80::1]:80"),
    ],
)
def test_one_text_for_one_address(host: str, address: str) -> None:
    assert address_of(host, 80) == address


@pytest.mark.parametrize("host", ["", "mac1.local", "10.0.0", "10.0.0.05", "/run/worker.sock"])
def test_a_name_is_no_address(host: str) -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        address_of(host, 80)


@pytest.mark.parametrize(
    "text", [None, 7, "", "00", "0" * 63, "0" * 65, "g" * 64, " " * 64, "00 " * 21 + "0", "\uff10" * 64, ["0" * 64]]
)
def test_what_is_no_nonce(text: object) -> None:
    assert nonce_from(text) is None


def test_a_nonce() -> None:
    assert nonce_from(ASKED.hex()) == ASKED
