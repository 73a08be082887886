"""The screen of `anyclaude cluster status`: it fits, and loses nothing that matters."""

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from anyclaude.cli.cluster_proxies import NOBODY, ByProxies, Together
from anyclaude.cli.cluster_screen import screen
from anyclaude.cli.cluster_seen import Seen, as_json
from anyclaude.cluster.node import Report

STUDIO = Report(
    model="mlx-community/Qwen3-Coder-30B-A3B-Instruct-4bit",
    context_length=262_144,
    active=2,
    waiting=13,
    cached_tokens=120_400,
    hit_rate=0.973,
    prefill_tps=812.3,
    decode_tps=61.8,
    memory_used=25 * 2**30,
    memory_limit=48 * 2**30,
    first_token_mean=0.412,
    first_token_p95=1.279,
    instance="i",
)
READY = Seen("studio", "http://studio:8081", "ready", STUDIO)
LOST = Seen("mini", "http://mini:8081", "lost", problem="nothing answers at http://mini:8081; start the model server")
OTHER = Seen("llama", "http://llama:8080", "drained", Report(model="q"), drained=True)


ALONE = "no running proxy uses the cluster: TTFT as the workers say, breakers not known"


def drawn(*seen: Seen, width: int, proxies: Together = NOBODY) -> list[str]:
    out = StringIO()
    console = Console(file=out, width=width, color_system=None, markup=False)
    console.print(screen(seen, width, proxies))
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_a_wide_terminal_shows_all() -> None:
    heads, studio, mini, llama, problem, watchers, last = drawn(READY, LOST, OTHER, width=140)
    assert heads.split() == [
        *("node", "state", "model", "context", "active", "waiting", "cached", "hit", "prefill/s", "decode/s"),
        *("TTFT", "s", "breaker", "GiB"),
    ]
    figures = ["262k", "2", "13", "120k", "97%", "812", "62", "0.41/1.28", "-", "25.0/48"]
    assert studio.split() == ["studio", "ready", "Qwen3-Coder-30B-A3B-Instruct-4bit", *figures]
    assert mini.split() == ["mini", "lost", "-", "-"]
    assert llama.split() == ["llama", "drained", "q", "0", "0", "-", "-"]
    assert problem == "mini: nothing answers at http://mini:8081; start the model server"
    assert watchers == ALONE
    assert last == "1 of 3 nodes is ready"


def test_at_80_columns_the_model_is_cut_and_memory_and_decoding_have_no_room() -> None:
    heads, studio, *_ = drawn(READY, OTHER, width=80)
    assert heads.split() == (
        ["node", "state", "model", "ctx", "act", "wait", "cached", "hit", "prefill", "TTFT", "breaker"]
    )
    words = studio.split()
    assert words[2].startswith("Qwen3-Co")
    assert words[2].endswith("…")
    assert words[3:] == ["262k", "2", "13", "120k", "97%", "812", "0.41/1.28", "-"]


@pytest.mark.parametrize("width", range(30, 146))
def test_no_line_is_too_long_and_figures_are_whole_or_absent(width: int) -> None:
    lines = drawn(READY, OTHER, width=width)
    assert " ".join(lines[3:]) == f"{ALONE} 1 of 2 nodes is ready"
    assert max(map(len, lines)) <= width
    assert lines[1].startswith("studio")
    assert "ready" in lines[1]
    assert "25.0/4" not in lines[1].replace("25.0/48", "")
    assert "0.41" not in lines[1].replace("0.41/1.28", "")


def test_what_nobody_says_has_no_column() -> None:
    assert drawn(LOST, width=80)[0].split() == ["node", "state", "model", "TTFT", "s", "breaker"]


def test_names_and_errors_cannot_write_on_the_screen() -> None:
    odd = Seen("a", "http://a", "ready", Report(model="x\x1b[2J[red]"), problem="no\x1b[2J\nmore")
    lines = drawn(odd, width=80)
    assert not any("\x1b" in line for line in lines)
    assert "x?[2J[red]" in lines[1]
    assert lines[2] == "a: no?[2J more"


def test_long_ids_are_folded() -> None:
    long = Seen("n" * 64, "http://a", "ready", Report(model="m"))
    lines = drawn(long, width=80)
    assert "".join(line.split()[0] for line in lines[1:4]) == "n" * 64
    assert max(map(len, lines)) <= 80


def test_json_has_every_figure_unrounded() -> None:
    told = as_json([READY, LOST])
    assert told["ready"] == 1
    studio, mini = told["nodes"]
    assert (studio["model"], studio["hit_rate"], studio["memory_limit"]) == (STUDIO.model, 0.973, 48 * 2**30)
    assert (studio["problem"], studio["drained"]) == (None, False)
    assert (mini["state"], mini["active"], mini["problem"]) == ("lost", None, LOST.problem)
    assert studio["first_token"] == {"mean": 0.412, "p95": 1.279, "seen_by": "node"}
    assert mini["first_token"] == {"mean": None, "p95": None, "seen_by": None}
    assert (studio["by_proxies"], told["proxies"], told["queue"]) == (None, 0, None)


def test_a_drained_one_that_is_lost_is_both() -> None:
    lost = Seen("mini", "http://mini", "lost", None, "nothing answers", drained=True)
    assert drawn(lost, width=80)[2] == "mini: nothing answers (it is drained, too)"


def test_nobody_is_said() -> None:
    assert drawn(width=80) == ["no node was found"]


BUSY = ByProxies(3, "open", "its last requests failed; it is tried again in 9 s", 100, 12, 88, 2.5, 31.0, 1000, 900)


def test_what_proxies_see_goes_before_what_the_node_says() -> None:
    told = replace(READY, by_proxies=BUSY)
    proxies = Together(2, 4, {READY.url: BUSY})
    heads, studio, problem, watchers, last = drawn(told, width=120, proxies=proxies)
    assert heads.split()[-3:] == ["TTFT", "breaker", "GiB"]
    assert studio.split()[-3:] == ["2.50/31", "open", "25.0/48"]
    assert problem == "studio: its last requests failed; it is tried again in 9 s"
    assert watchers == "TTFT (mean/p95) and breakers as 2 running proxies see them; 4 waiting there"
    assert last == "1 of 1 nodes is ready"
    node = as_json([told], proxies)["nodes"][0]
    assert node["first_token"] == {"mean": 2.5, "p95": 31.0, "seen_by": "proxies"}
    assert (node["by_proxies"]["failures"], node["by_proxies"]["breaker"]) == (12, "open")


def test_a_proxy_that_never_asked_a_node_says_nothing_of_its_times() -> None:
    told = replace(READY, by_proxies=ByProxies(breaker="closed"))
    _, studio, watchers, _ = drawn(told, width=120, proxies=Together(1, None, {}))
    assert studio.split()[-3:] == ["-", "closed", "25.0/48"]
    assert watchers == "TTFT (mean/p95) and breakers as a running proxy sees them"
