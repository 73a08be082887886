"""`mlx_worker` beside `mlx_lm.server`, on the same models, in one run.

    python scripts/bench/worker.py [--models qwen3,qwen3_next,gemma3_text] [--measures session,contended] [--rounds 3]

The models are tiny ones with random weights, made on the spot, or folders of your own; each server is a process by
itself, and one is asked after the other, so that neither disturbs the other. How to read it, and what was found:
docs/reference/worker.md.
"""

import argparse
import json
import math
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import question  # noqa: F401  (makes the tests' parts importable)
from failure import BenchError
from tests.support import tiny_model
from worker_measures import MEASURES, Figures, Size, median
from worker_servers import OURS, RIVAL, start

_SIZE = Size()


def main() -> int:
    options = _options()
    size = Size(options.system_bytes, options.long_bytes, options.turns, options.soak)
    found: dict[str, dict[str, Figures]] = {}
    try:
        with tempfile.TemporaryDirectory(prefix="worker-bench-") as folder:
            for name in options.models:
                found[name] = _compare(_model(name, Path(folder)), options, size)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    print(json.dumps(found, indent=1) if options.json else "\n\n".join(_table(*item) for item in found.items()))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="mlx_worker beside mlx_lm.server, on the same models.")
    parser.add_argument("--models", type=_words, default=["qwen3", "qwen3_next", "gemma3_text"])
    parser.add_argument("--measures", type=_words, default=list(MEASURES))
    parser.add_argument("--servers", type=_words, default=[OURS, RIVAL])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--system-bytes", type=int, default=_SIZE.system)
    parser.add_argument("--long-bytes", type=int, default=_SIZE.long)
    parser.add_argument("--turns", type=int, default=_SIZE.turns)
    parser.add_argument("--soak", type=int, default=_SIZE.soak)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if unknown := set(options.measures) - set(MEASURES):
        parser.error(f"no such measure: {', '.join(sorted(unknown))}; there are {', '.join(MEASURES)}")
    return options


def _words(text: str) -> list[str]:
    return text.split(",")


def _model(name: str, folder: Path) -> Path:
    """A folder of the person's own, or a tiny model of that architecture, made here."""
    if (own := Path(name)).is_dir():
        return own
    return tiny_model.build(folder / name, name, open_thinking=name == "qwen3_next").folder


def _compare(model: Path, options: argparse.Namespace, size: Size) -> dict[str, Figures]:
    """Medians over the rounds, by server. In each round every server is started anew, in turn."""
    rounds: dict[str, list[Figures]] = {server: [] for server in options.servers}
    for turn in range(options.rounds):
        for server in options.servers[turn % len(rounds) :] + options.servers[: turn % len(rounds)]:
            rounds[server].append(_measured(server, model, options.measures, size))
    return {
        server: {label: median(each, label) for label in dict.fromkeys(label for one in each for label in one)}
        for server, each in rounds.items()
    }


def _measured(name: str, model: Path, measures: list[str], size: Size) -> Figures:
    figures: Figures = {}
    with ExitStack() as stack:
        server = start(name, model, stack)
        server.alive()  # the first request also loads what is loaded late
        for measure in measures:
            print(f"{name}: {measure}", file=sys.stderr)
            figures |= MEASURES[measure](server, size)
    return figures


def _table(model: str, found: dict[str, Figures]) -> str:
    servers = list(found)
    lines = [f"{model:44}" + "".join(f"{server:>16}" for server in servers)]
    for label in found[servers[0]]:
        values = [found[server].get(label, math.nan) for server in servers]
        lines.append(f"{label:44}" + "".join(f"{value:16.3f}" for value in values))
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
