"""What a worker announces, and which addresses are nearby."""

import pytest

from anyclaude.wire.announcement import nearby_address, pairs_of


def test_an_announcement_is_short_whatever_the_model_is_called() -> None:
    assert pairs_of("qwen", "i1") == {"v": "1", "instance": "i1", "model": "qwen"}
    assert pairs_of(None, "i1")["model"] == ""
    long = pairs_of("é" * 300, "i1")["model"]
    assert (len(long.encode()), set(long)) == (200, {"é"})


@pytest.mark.parametrize(
    "text", ["10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "127.0.0.1", "169.254.1.1", "fd12::1", "::1"]
)
def test_addresses_nearby(text: str) -> None:
    assert nearby_address(text) == text


def test_an_address_in_the_notation_of_the_other_kind() -> None:
    assert nearby_address("::ffff:10.0.0.5") == "10.0.0.5"


@pytest.mark.parametrize(
    "text", ["8.8.8.8", "100.64.0.1", "192.0.2.1", "0.0.0.0", "fe80::1", "::ffff:8.8.8.8", "mac1", ""]
)
def test_what_is_not_nearby(text: str) -> None:
    assert nearby_address(text) is None
