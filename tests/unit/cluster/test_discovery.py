"""Announcements taken apart, and several sources as one set of nodes."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from anyclaude.cluster.discovery import (
    Change,
    Forgotten,
    Found,
    Known,
    KnownNodes,
    Sighting,
    Way,
    node_at,
    sighting_of,
)
from anyclaude.config.upstreams import Node
from anyclaude.wire.announcement import TYPE

NAME = f"mac1-8081.{TYPE}"
PAIRS: dict[bytes, bytes | None] = {b"v": b"1", b"instance": b"abc", b"model": b"qwen"}


def test_an_announcement_of_a_worker() -> None:
    sighting = sighting_of(NAME, ["10.0.0.5", "10.0.0.5", "fd00::5"], 8081, PAIRS)
    assert sighting == Sighting(NAME, "mac1-8081", ("10.0.0.5", "fd00::5"), 8081, "qwen", "abc")


@pytest.mark.parametrize(
    ("name", "addresses", "port", "pairs"),
    [
        ("", ["10.0.0.5"], 8081, PAIRS),
        (TYPE, ["10.0.0.5"], 8081, PAIRS),
        (f".{TYPE}", ["10.0.0.5"], 8081, PAIRS),
        ("mac1._http._tcp.local.", ["10.0.0.5"], 8081, PAIRS),
        (NAME, [], 8081, PAIRS),
        (NAME, ["8.8.8.8"], 8081, PAIRS),
        (NAME, ["2001:4860:4860::8888"], 8081, PAIRS),
        (NAME, ["169.253.0.1", "172.32.0.1", "100.64.0.1", "11.0.0.1"], 8081, PAIRS),
        (NAME, ["0.0.0.0", "255.255.255.255", "224.0.0.251", "240.0.0.1", "192.0.2.1"], 8081, PAIRS),
        (NAME, ["::", "ff02::fb", "fe80::1", "fe80::1%eth0", "::ffff:8.8.8.8"], 8081, PAIRS),
        (NAME, ["mac1.local", "10.0.0.5:80", "10.0.0.5/8", "10.0.0.05", "127.1", "", "\x00"], 8081, PAIRS),
        (NAME, ["10.0.0.5"], None, PAIRS),
        (NAME, ["10.0.0.5"], 0, PAIRS),
        (NAME, ["10.0.0.5"], -1, PAIRS),
        (NAME, ["10.0.0.5"], 65536, PAIRS),
        (NAME, ["10.0.0.5"], 8081, {}),
        (NAME, ["10.0.0.5"], 8081, {b"v": None}),
        (NAME, ["10.0.0.5"], 8081, {b"v": b"2"}),
    ],
)
def test_what_is_no_worker_nearby(
    name: str, addresses: list[str], port: int | None, pairs: dict[bytes, bytes | None]
) -> None:
    assert sighting_of(name, addresses, port, pairs) is None


@pytest.mark.parametrize(
    ("label", "plain"),
    [
        ("Ann's Mac", "Ann-s-Mac"),
        ("\x1b[31mred\x1b[0m", "31mred-0m"),
        ("../../etc/passwd", "etc-passwd"),
        ("a\nb", "a-b"),
        ("‮evil", "evil"),
        ("<script>", "script"),
        ("...", "worker"),
        ("日本", "worker"),
        ("a.b.c", "a-b-c"),
        ("x" * 60, "x" * 16),
    ],
)
def test_a_name_is_made_plain(label: str, plain: str) -> None:
    sighting = sighting_of(f"{label}.{TYPE}", ["10.0.0.5"], 1, PAIRS)
    assert sighting is not None
    assert sighting.label == plain


@pytest.mark.parametrize("value", [None, b"", b"\xff\xfe\x00", b"a\x1b[31m", b"m" * 201, b"a\nb"])
def test_a_model_or_instance_that_cannot_be_shown_is_none(value: bytes | None) -> None:
    sighting = sighting_of(NAME, ["10.0.0.5"], 1, {b"v": b"1", b"model": value, b"instance": value})
    assert sighting is not None
    assert (sighting.model, sighting.instance) in {(None, None), ("��\x00", None)}


def test_addresses_of_one_announcement_are_bounded() -> None:
    sighting = sighting_of(NAME, [f"10.0.0.{n}" for n in range(1, 250)], 1, PAIRS)
    assert sighting is not None
    assert sighting.addresses == ("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4")


@given(st.text(), st.lists(st.text()), st.integers() | st.none(), st.dictionaries(st.binary(), st.binary() | st.none()))
def test_nothing_that_is_announced_raises(
    label: str, addresses: list[str], port: int | None, pairs: dict[bytes, bytes | None]
) -> None:
    sighting = sighting_of(f"{label}.{TYPE}", ["10.0.0.5", *addresses], port, {**pairs, b"v": b"1"})
    if sighting is not None:
        assert node_at(sighting.label, sighting.addresses[0], sighting.port, None).url.startswith("http://")


def test_the_node_at_an_address() -> None:
    token = SecretStr("t")
    assert node_at("gpu", "10.0.0.5", 80, token, "/v1") == Node(
        id="gpu@10.0.0.5:80", url="http://10.0.0.5:80/v1", token=token
    )
    longest = "1234:1234:1234:1234:1234:1234:1234:1234"
    assert node_at("g" * 64, longest, 65535, None).id == f"{'g' * 16}@{longest}:65535"


def _found(number: int, way: Way = "announced", **changed: str) -> Found:
    return Found(
        Node(id=changed.get("id", f"n{number}"), url=changed.get("url", f"http://h{number}")),
        way,
        changed.get("instance"),
    )


def _ids(changes: Sequence[Change]) -> list[str]:
    return [("+" if isinstance(change, Known) else "-") + change.found.node.id for change in changes]


def test_what_comes_and_goes() -> None:
    known = KnownNodes()
    assert _ids(known.see("a", [_found(1), _found(2)])) == ["+n1", "+n2"]
    assert known.see("a", [_found(2), _found(1)]) == []
    assert _ids(known.see("b", [_found(3)])) == ["+n3"]
    assert _ids(known.see("a", [_found(2)])) == ["-n1"]
    assert _ids(known.see("a", [])) == ["-n2"]
    assert [found.node.id for found in known.nodes] == ["n3"]


def test_a_node_whose_address_changes_goes_and_comes() -> None:
    known = KnownNodes()
    known.see("a", [_found(1)])
    assert _ids(known.see("a", [_found(1, url="http://elsewhere")])) == ["-n1", "+n1"]


def test_a_worker_that_was_started_anew_is_the_same_node() -> None:
    known = KnownNodes()
    known.see("a", [_found(1, instance="before")])
    assert known.see("a", [_found(1, instance="after")]) == []
    assert known.nodes[0].instance == "after"


@pytest.mark.parametrize("same", [{"id": "x"}, {"url": "http://x"}, {"url": "http://x/v1"}, {"instance": "x"}])
def test_one_worker_found_twice_is_one_node_and_the_named_one_wins(same: dict[str, str]) -> None:
    known = KnownNodes()
    known.see("mdns", [_found(1, "announced", **same)])
    other = {**same, "url": "http://x"} if "url" in same else same
    changes = known.see("settings", [_found(2, "named", **other)])
    assert len(changes) == 2
    assert [found.way for found in known.nodes] == ["named"]
    known.see("settings", [])
    assert [found.way for found in known.nodes] == ["announced"]


def test_nobody_who_announces_himself_takes_anothers_place() -> None:
    known = KnownNodes()
    known.see("settings", [_found(1, "named")])
    known.see("real", [_found(2, instance="i2")])
    assert known.see("evil", [_found(1), _found(3, url="http://h2"), _found(0, instance="i2")]) == []


def test_they_are_bounded() -> None:
    known = KnownNodes(most=3)
    known.see("a", [_found(n) for n in range(5, 9)])
    assert _ids(known.see("b", [_found(1), _found(2)])) == []
    assert _ids(known.see("settings", [_found(0, "named")])) == ["-n7", "+n0"]


_SEEN = st.lists(
    st.tuples(
        st.sampled_from(["settings", "a", "b", "c"]),
        st.lists(
            st.builds(
                lambda number, url, way, instance: Found(
                    Node(id=f"n{number}", url=f"http://h{url}"), way, f"i{instance}" if instance else None
                ),
                st.integers(0, 5),
                st.integers(0, 5),
                st.sampled_from(["named", "resolved", "announced"]),
                st.integers(0, 3),
            ),
            max_size=6,
        ),
    ),
    max_size=12,
)


@given(_SEEN, st.integers(1, 5))
def test_the_changes_tell_all_and_no_two_nodes_are_one(steps: list[tuple[str, list[Found]]], most: int) -> None:
    known, followed = KnownNodes(most), dict[str, Node]()
    for source, found in steps:
        for change in known.see(source, found):
            if isinstance(change, Forgotten):
                assert followed.pop(change.found.node.id) == change.found.node
            else:
                assert followed.setdefault(change.found.node.id, change.found.node) is change.found.node
        nodes = known.nodes
        assert followed == {found.node.id: found.node for found in nodes}
        assert len(nodes) <= most
        for value in ([one.node.id for one in nodes], [one.node.url for one in nodes], [one.instance for one in nodes]):
            there = [each for each in value if each is not None]
            assert len(there) == len(set(there))
        assert known.see(source, found) == []


@given(_SEEN)
def test_what_is_seen_last_is_all_that_counts(steps: list[tuple[str, list[Found]]]) -> None:
    """Whatever came before: with all sources silent nothing is known."""
    known = KnownNodes()
    for source, found in steps:
        known.see(source, found)
    for source in ("settings", "a", "b", "c"):
        known.see(source, [])
    assert known.nodes == ()
