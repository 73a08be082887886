"""What several proxies say of the nodes, as one."""

from typing import Any

import pytest

from anyclaude.cli.cluster_proxies import NOBODY, ByProxies, together


def node(address: str, **facts: Any) -> dict[str, Any]:
    return {"address": address, "breaker": "closed", "reason": None, **facts}


def status(*nodes: Any, queue: Any = None, name: str = "mlx-cluster") -> dict[str, Any]:
    return {"backends": [{"name": name, "queue": queue, "nodes": list(nodes)}]}


def test_nobody_says_nothing() -> None:
    assert together([]) == NOBODY
    assert together([status(node("http://a"), name="lmstudio")]) == NOBODY


def test_figures_are_added_up_and_the_worst_holds() -> None:
    first = node("http://a", active=2, lately={"requests": 10, "failures": 1}, tokens={"prompt": 100, "cached": 90})
    second = node("http://a", active=1, lately={"requests": 5, "failures": 4}, tokens={"prompt": 50, "cached": 0})
    first["first_token"] = {"count": 9, "mean": 1.0, "p95": 2.0}
    second["first_token"] = {"count": 1, "mean": 11.0, "p95": 11.0}
    second |= {"breaker": "open", "reason": "its last requests failed"}
    other = node("http://b", active=1)
    seen = together([status(first, other, queue=1), status(second, queue=2)])
    assert (seen.proxies, seen.queue, set(seen.nodes)) == (2, 3, {"http://a", "http://b"})
    assert seen.nodes["http://a"] == ByProxies(3, "open", "its last requests failed", 15, 5, 10, 2.0, 11.0, 150, 90)
    assert seen.nodes["http://b"] == ByProxies(1, "closed")
    assert together([status(second), status(first)]).nodes["http://a"] == seen.nodes["http://a"]


@pytest.mark.parametrize(("worse", "better"), [("open", "half-open"), ("half-open", "trial"), ("trial", "closed")])
def test_the_order_of_breakers(worse: str, better: str) -> None:
    for one, other in ((worse, better), (better, worse)):
        seen = together([status(node("a", breaker=one)), status(node("a", breaker=other))])
        assert seen.nodes["a"].breaker == worse


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"backends": None},
        {"backends": [None, 1, "x"]},
        status(None, 5, {"address": 5}, {}),
        status(node("a", active="x", lately=[], first_token={"count": -1, "mean": True, "p95": "1"}, breaker=7)),
    ],
)
def test_what_another_version_says_harms_nothing(odd: dict[str, Any]) -> None:
    seen = together([odd, status(node("a", active=1))])
    assert seen.nodes["a"] == ByProxies(1, "closed")
