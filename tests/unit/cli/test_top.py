"""`anyclaude top`: what a look comes to, and how it is drawn."""

from copy import deepcopy
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from anyclaude.cli.proxies import Told
from anyclaude.cli.top_screen import NOBODY, screen
from anyclaude.cli.top_seen import Looks, Seen
from anyclaude.config.running import Running

NOW = 100_000.0
LONG = "Qwen3-Coder-30B-A3B-Instruct-4bit"
STUDIO = {
    "id": "studio",
    "address": "http://studio:8081",
    "status": "healthy",
    "breaker": "closed",
    "model": "mlx-community/Qwen3",
    "active": 2,
    "pending_tokens": 30_000,
    "prefill_tps": 812.2,
    "decode_tps": 61.0,
    "lately": {"requests": 100, "failures": 3},
    "first_token": {"count": 97, "mean": 0.41, "p95": 1.2},
    "tokens": {"prompt": 100, "cached": 90},
}
MINI = {"id": "mini", "address": "http://mini:8081", "status": "unhealthy", "breaker": "open", "reason": "it is gone"}
CLUSTER: dict[str, Any] = {
    "version": "1",
    "in_flight": {"streams": 2, "whole": 1},
    "backends": [
        {
            "name": "mlx-cluster",
            "model": f"mlx-community/{LONG}",
            "queue": 1,
            "nodes": [STUDIO],
        },
        {"name": "openrouter", "model": "google/gemini-2.5-flash"},
        {"name": "claude", "model": None},
    ],
    "requests": {
        "mlx-cluster": {
            "outcomes": {"complete": 120, "error": 2, "left": 1},
            "tokens": {"prompt": 1_000_000, "cached": 920_000, "output": 60_000},
            "prefill": {"tokens": 80_000, "seconds": 100.0},
            "decode": {"tokens": 60_000, "seconds": 2000.0, "events": 30_000},
            "streamed_events": 30_100,
            "repairs": 4,
            "retries": 2,
            "prefix": {"kept_bytes": 95, "before_bytes": 100, "broken": {"git status": 3, "tools": 1}},
        },
        "openrouter": {"outcomes": {"complete": 3, "error": 0, "left": 0}},
    },
    "errors": [
        {"at": NOW - 50, "backend": "mlx-cluster", "status": 502, "error": "nothing answers at http://mini:8081"}
    ],
}


def proxy(status: dict[str, Any], pid: int = 4711) -> Told:
    return Told(Running(pid, f"http://127.0.0.1:{pid}", NOW - 900, "mlx-cluster", "a-secret"), status)


def seen(*told: Told) -> Seen:
    return Looks().seen(told, 0.0)


def drawn(seen: Seen, width: int, most: int | None = None) -> list[str]:
    out = StringIO()
    Console(file=out, width=width, color_system=None, markup=False).print(screen(seen, width, NOW, most))
    return [line.rstrip() for line in out.getvalue().splitlines()]


# What a look comes to


def test_backends_that_did_nothing_are_not_shown() -> None:
    (one,) = seen(proxy(CLUSTER)).proxies
    assert [backend.name for backend in one.backends] == ["mlx-cluster", "openrouter"]
    assert (one.pid, one.mode, one.streams, one.wholes) == (4711, "mlx-cluster", 2, 1)


def test_one_look_knows_the_speeds_of_all_answers() -> None:
    first, second = seen(proxy(CLUSTER)).proxies[0].backends
    assert (first.prefill, first.decode, first.out, first.cached, first.kept) == (800.0, 30.0, None, 0.92, 0.95)
    assert (second.prefill, second.decode, second.cached, second.kept) == (None, None, None, None)


def test_two_looks_show_what_was_between_them() -> None:
    looks, later = Looks(), deepcopy(CLUSTER)
    of = later["requests"]["mlx-cluster"]
    of["streamed_events"] += 50
    of["prefill"] = {"tokens": 81_000, "seconds": 102.0}
    looks.seen([proxy(CLUSTER)], 10.0)
    first, _ = looks.seen([proxy(later)], 12.0).proxies[0].backends
    assert first.out == 50  # two tokens each, in two seconds
    assert first.prefill == 500
    assert first.decode == 30  # none ended, so it is that of all


def test_the_speed_of_now_is_that_of_the_last_seconds() -> None:
    looks = Looks()
    for second in range(40):
        status = deepcopy(CLUSTER)
        status["requests"]["mlx-cluster"]["streamed_events"] += 1000 * min(second, 20)
        told = looks.seen([proxy(status)], float(second))
    assert told.proxies[0].backends[0].out == 0


def test_a_proxy_that_is_new_has_no_speed_of_now() -> None:
    looks = Looks()
    looks.seen([proxy(CLUSTER)], 0.0)
    old, new = looks.seen([proxy(CLUSTER), proxy(CLUSTER, 99)], 1.0).proxies
    assert (old.backends[0].out, new.backends[0].out) == (0, None)


def test_nodes_are_those_of_all_proxies_together() -> None:
    other = deepcopy(CLUSTER)
    other["backends"][0]["nodes"] = [{**STUDIO, "breaker": "open", "reason": "it fails"}, MINI]
    studio, mini = seen(proxy(CLUSTER), proxy(other, 99)).nodes
    assert (studio.id, studio.by.active, studio.by.breaker, studio.prefill) == ("studio", 4, "open", 812.2)
    assert (mini.id, mini.status, mini.prefill, mini.by.reason) == ("mini", "unhealthy", None, "it is gone")


def test_the_last_error_of_all_is_the_first() -> None:
    other = {**CLUSTER, "errors": [{"at": NOW - 40, "error": "later"}, {"at": NOW - 60, "error": "sooner"}]}
    found = seen(proxy(CLUSTER), proxy(other, 99)).errors
    assert [(one.at, one.pid) for one in found] == [(NOW - 40, 99), (NOW - 50, 4711), (NOW - 60, 99)]


GARBAGE: tuple[Any, ...] = (None, True, -1, 1e400, float("nan"), "x\x1b[2J", [], [None, 5, {}], {"x": {"y": []}})


@pytest.mark.parametrize("odd", GARBAGE)
@pytest.mark.parametrize("name", [*CLUSTER, "a node", "requests of one", "a field of them"])
def test_what_another_version_says_harms_nothing(name: str, odd: Any) -> None:
    status = deepcopy(CLUSTER)
    if name == "a node":
        status["backends"][0]["nodes"] = [odd, {**STUDIO, **{field: odd for field in STUDIO if field != "address"}}]
    elif name == "requests of one":
        status["requests"]["mlx-cluster"] = odd
    elif name == "a field of them":
        status["requests"]["mlx-cluster"] = dict.fromkeys(CLUSTER["requests"]["mlx-cluster"], odd)
    else:
        status[name] = odd
    looks = Looks()
    for at, told in enumerate((status, CLUSTER, status)):
        lines = drawn(looks.seen([proxy(told)], float(at)), 80)
        assert any(line.lstrip().startswith("4711") for line in lines) or name == "backends"
        assert not any("\x1b" in line for line in lines)


# How it is drawn


def test_at_80_columns_what_matters_most_is_there() -> None:
    lines = drawn(seen(proxy(CLUSTER)), 80)
    assert lines[0] == "1 proxy, 1 node, 3 answers under way"
    assert lines[2].split() == (
        ["pid", "backend", "model", "up", "busy", "queue", "prompt/s", "cached", "done", "failed"]
    )
    assert lines[3].split()[0:2] == ["4711", "mlx-cluster"]
    assert lines[3].split()[3:] == ["15m00s", "3", "1", "800", "92%", "120", "2"]
    assert lines[4].split() == ["openrouter", "gemini-2.5-flash", "3", "0"]
    assert lines[6].split()[0:4] == ["node", "state", "breaker", "busy"]
    assert lines[7].split() == ["studio", "healthy", "closed", "2", "30k", "812", "61", "0.41", "90%", "3/100"]


def test_a_wide_terminal_shows_all() -> None:
    lines = drawn(seen(proxy(CLUSTER)), 200)
    assert lines[3].split() == (
        ["4711", "mlx-cluster", LONG, "15m00s", "3", "1", "800", "30", "92%", "95%", "120", "2", "4"]
    )
    assert lines[9] == (
        "retried 2; mended 4; left 1; prompts that did not begin with the last one: git status 3, tools 1"
    )
    assert lines[-1] == "50s ago 4711 mlx-cluster 502 nothing answers at http://mini:8081"


@pytest.mark.parametrize("width", range(20, 140, 3))
def test_no_line_is_too_long(width: int) -> None:
    lines = drawn(seen(proxy(CLUSTER), proxy({}, 99)), width)
    assert max(map(len, lines)) <= width
    assert lines[2].lstrip().startswith("pid")


def test_many_nodes_are_cropped_where_the_screen_is_low() -> None:
    status = deepcopy(CLUSTER)
    status["backends"][0]["nodes"] = [{**STUDIO, "id": f"n{at}", "address": f"http://n{at}"} for at in range(256)]
    assert len(drawn(seen(proxy(status)), 80)) > 256
    lines = drawn(seen(proxy(status)), 80, most=5)
    assert "and 251 more" in lines
    assert len(lines) < 24


def test_a_proxy_without_a_cluster_has_no_nodes() -> None:
    lines = drawn(seen(proxy({"backends": [{"name": "lmstudio", "model": "q"}]})), 80)
    assert lines == [
        "1 proxy, 0 answers under way",
        "",
        " pid backend  model     up busy done failed mended",
        "4711 lmstudio q     15m00s    0    0      0      0",
    ]


def test_one_that_does_not_answer_is_said() -> None:
    assert drawn(Looks().seen([], 0.0, [99]), 80)[-1] == "99 does not answer"


def test_nobody_is_said() -> None:
    assert drawn(Seen(), 80) == [NOBODY]


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0s"), (59, "59s"), (61, "1m01s"), (3_720, "1h02m"), (90_000, "1d01h"), (-5, "0s")]
)
def test_ages(seconds: float, said: str) -> None:
    error = {"at": NOW - seconds, "error": "it failed"}
    assert drawn(seen(proxy({"errors": [error]})), 80)[-1].startswith(f"{said} ago")
