"""`mlx_worker` beside `mlx_lm.server`, on the same models, in one run.

    python scripts/bench/worker.py [--models qwen3,qwen3_moe] [--only next-turn,contended] [--rounds 3]

The models are tiny ones with random weights, made on the spot, or folders of your own; each server is a process by
itself, and one is asked after the other, so that neither disturbs the other. `--only` takes the names of figures and
of measures (`--list`). How to read it, and what was found: docs/reference/worker.md.
"""

import argparse
import json
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import question  # noqa: F401  (makes the tests' parts importable)
from failure import BenchError
from tests.support import tiny_model
from worker_measures import MEASURES, Size
from worker_report import FIGURES, Figures, Summary, chosen, summary, table
from worker_servers import OURS, RIVAL, start

_SIZE = Size()
_KINDS = ("qwen3", "qwen2", "qwen3_moe", "qwen3_next", "gemma3_text")


def main() -> int:
    options = _options()
    if options.list:
        print("\n".join(f"{name:12} {figure.measure:11} {figure.label}" for name, figure in FIGURES.items()))
        return 0
    size = Size(options.system_bytes, options.long_bytes, options.turns, options.soak)
    found: dict[str, dict[str, dict[str, Summary]]] = {}
    try:
        with tempfile.TemporaryDirectory(prefix="worker-bench-") as folder:
            for name in options.models:
                found[name] = _compare(_model(name, Path(folder)), options, size)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    print(
        json.dumps(found, indent=1, default=asdict)
        if options.json
        else "\n\n".join(table(*each) for each in found.items())
    )
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="mlx_worker beside mlx_lm.server, on the same models.")
    parser.add_argument("--models", type=_words, default=list(_KINDS), help="kinds of tiny models, or folders")
    parser.add_argument("--only", type=_figures, default=list(FIGURES), help="figures or measures, by name")
    parser.add_argument("--list", action="store_true", help="the names of all figures and their measures")
    parser.add_argument("--servers", type=_words, default=[OURS, RIVAL])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--system-bytes", type=int, default=_SIZE.system)
    parser.add_argument("--long-bytes", type=int, default=_SIZE.long)
    parser.add_argument("--turns", type=int, default=_SIZE.turns)
    parser.add_argument("--soak", type=int, default=_SIZE.soak)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _words(text: str) -> list[str]:
    return text.split(",")


def _figures(text: str) -> list[str]:
    try:
        return chosen(_words(text))
    except KeyError as error:
        raise argparse.ArgumentTypeError(f"no such figure: {error.args[0]}; --list tells them") from None


def _model(name: str, folder: Path) -> Path:
    """A folder of the person's own, or a tiny model of that architecture, made here."""
    if (own := Path(name)).is_dir():
        return own
    if name not in _KINDS:
        raise BenchError(f"there is no folder {name}, and the tiny models are {', '.join(_KINDS)}")
    return tiny_model.build(folder / name, name, open_thinking=name == "qwen3_next").folder


def _compare(model: Path, options: argparse.Namespace, size: Size) -> dict[str, dict[str, Summary]]:
    """Of all rounds, by server. In each round every server is started anew, in turn."""
    rounds: dict[str, list[Figures]] = {server: [] for server in options.servers}
    for turn in range(options.rounds):
        for server in options.servers[turn % len(rounds) :] + options.servers[: turn % len(rounds)]:
            rounds[server].append(_measured(server, model, options.only, size))
    return {server: {name: summary(each, name) for name in options.only} for server, each in rounds.items()}


def _measured(name: str, model: Path, wanted: list[str], size: Size) -> Figures:
    figures: Figures = {}
    with ExitStack() as stack:
        server = start(name, model, stack)
        server.alive()  # the first request also loads what is loaded late
        for measure in [measure for measure in MEASURES if any(FIGURES[each].measure == measure for each in wanted)]:
            print(f"{name}: {measure}", file=sys.stderr)
            figures |= MEASURES[measure](server, size)
    return figures


if __name__ == "__main__":
    sys.exit(main())
