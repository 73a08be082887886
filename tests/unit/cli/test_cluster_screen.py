"""The screen of `anyclaude cluster status`: it fits, and loses nothing that matters."""

from io import StringIO

import pytest
from rich.console import Console

from anyclaude.cli.cluster_screen import Seen, as_json, screen
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
    instance="i",
)
READY = Seen("studio", "http://studio:8081", "ready", STUDIO)
LOST = Seen("mini", "http://mini:8081", "lost", problem="nothing answers at http://mini:8081; start the model server")
OTHER = Seen("llama", "http://llama:8080", "drained", Report(model="q"), drained=True)


def drawn(*seen: Seen, width: int) -> list[str]:
    out = StringIO()
    console = Console(file=out, width=width, color_system=None, markup=False)
    console.print(screen(seen, width))
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_a_wide_terminal_shows_all() -> None:
    heads, studio, mini, llama, problem, last = drawn(READY, LOST, OTHER, width=130)
    assert heads.split() == (
        ["node", "state", "model", "context", "active", "waiting", "cached", "hit", "prefill/s", "decode/s", "GiB"]
    )
    figures = ["262k", "2", "13", "120k", "97%", "812", "62", "25.0/48"]
    assert studio.split() == ["studio", "ready", "Qwen3-Coder-30B-A3B-Instruct-4bit", *figures]
    assert mini.split() == ["mini", "lost"]
    assert llama.split() == ["llama", "drained", "q", "0", "0"]
    assert problem == "mini: nothing answers at http://mini:8081; start the model server"
    assert last == "1 of 3 nodes is ready"


def test_at_80_columns_only_the_model_is_cut() -> None:
    heads, studio, *_ = drawn(READY, OTHER, width=80)
    assert heads.split() == (
        ["node", "state", "model", "ctx", "act", "wait", "cached", "hit", "prefill", "decode", "GiB"]
    )
    words = studio.split()
    assert words[2].startswith("Qwen3-Co")
    assert words[2].endswith("…")
    assert words[3:] == ["262k", "2", "13", "120k", "97%", "812", "62", "25.0/48"]


@pytest.mark.parametrize("width", range(30, 132))
def test_no_line_is_too_long_and_figures_are_whole_or_absent(width: int) -> None:
    lines = drawn(READY, OTHER, width=width)
    assert len(lines) == 4
    assert max(map(len, lines)) <= width
    assert lines[1].startswith("studio")
    assert "ready" in lines[1]
    assert "25.0/4" not in lines[1].replace("25.0/48", "")


def test_what_nobody_says_has_no_column() -> None:
    assert drawn(LOST, width=80)[0].split() == ["node", "state", "model"]


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


def test_a_drained_one_that_is_lost_is_both() -> None:
    lost = Seen("mini", "http://mini", "lost", None, "nothing answers", drained=True)
    assert drawn(lost, width=80)[2] == "mini: nothing answers (it is drained, too)"


def test_nobody_is_said() -> None:
    assert drawn(width=80) == ["no node was found"]
