"""The cluster on real workers, strategy by strategy in one run: time to the first token, and what was computed for it.

    python scripts/bench/cluster.py [--strategies cache-aware,round-robin] [--rounds 1] [--sessions 10] [--model FOLDER]

Three workers (processes of their own, one tiny model) behind the cluster of the product. Every strategy gets the same
conversations on emptied caches. Prints Markdown. How to read it, and what was found: docs/architecture/cluster.md.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, get_args

import cluster_causes
import question  # noqa: F401  (makes the tests' parts importable)
from cluster_agents import KINDS, Load, Question, beginning, converse
from cluster_nodes import Nodes, started
from cluster_report import HEAD, Answer, Phase, compared, row
from failure import BenchError, first_of
from tests.support import tiny_model
from tests.support.journal import Notes

from anyclaude.backends.base import Caller
from anyclaude.backends.mlx_cluster import MlxClusterBackend
from anyclaude.config.model import Deadlines
from anyclaude.config.upstreams import Discovery, Health, MlxCluster, Node, Routing, Strategy
from anyclaude.errors import AnyclaudeError
from anyclaude.wire.events import Failed, ModelEvent, TextDelta, ThinkingDelta, ToolCallStart, UsageReport

_SAID: Final = (TextDelta, ThinkingDelta, ToolCallStart)
_USUAL: Final = Load()


def main() -> int:
    options = _options()
    load = Load(options.sessions, options.turns, arrivals=options.arrivals, thinking=options.thinking)
    found: dict[Strategy, list[Phase]] = {strategy: [] for strategy in options.strategies}
    try:
        with tempfile.TemporaryDirectory(prefix="cluster-bench-") as folder:
            model = options.model or tiny_model.build(Path(folder) / "model").folder
            with started(model, options.nodes, options.threads, options.cache_mb) as nodes:
                _measure(nodes, load.sized(options.size), options.rounds, found)
    except (BenchError, AnyclaudeError, ExceptionGroup) as error:
        print(f"bench: {first_of(error)}", file=sys.stderr)
        return 2
    print(HEAD, *(row(strategy, phases) for strategy, phases in found.items()), sep="\n")
    print(compared(found))
    print("\nComputed tokens a turn, by their cause:\n", cluster_causes.table(found), sep="\n")
    print(cluster_causes.moves(found))
    return 0


def _measure(nodes: Nodes, load: Load, rounds: int, found: dict[Strategy, list[Phase]]) -> None:
    """In each round every strategy once, each round beginning with another one."""
    strategies = list(found)
    for number in range(rounds):
        first = number % len(strategies)
        for strategy in strategies[first:] + strategies[:first]:
            nodes.forget()
            before = nodes.work()
            phase = asyncio.run(_phase(nodes.urls, strategy, load.again(number)))
            phase.work = nodes.work().since(before)
            found[strategy].append(phase)
            print(f"round {number + 1}: {row(strategy, [phase])}", file=sys.stderr)


async def _phase(urls: Sequence[str], strategy: Strategy, load: Load) -> Phase:
    backend = MlxClusterBackend(_settings(urls, strategy), None, Deadlines())
    phase, began = Phase(), time.perf_counter()

    async def ask(asked: Question) -> Sequence[ModelEvent]:
        answer, events = await _answer(backend, asked)
        phase.answers.append(answer)
        return events

    try:
        await backend.ready()
        phase.prefixes = {kind: await backend.count_tokens(beginning(kind, load)) for kind in KINDS}
        await converse(load, ask)
    finally:
        await backend.aclose()
    phase.seconds = time.perf_counter() - began
    return phase


async def _answer(backend: MlxClusterBackend, asked: Question) -> tuple[Answer, Sequence[ModelEvent]]:
    """Raises BenchError when it is no whole one."""
    journal, began, first = Notes(), time.perf_counter(), 0.0
    events: list[ModelEvent] = []
    async with backend.stream(asked.body, Caller(asked.session, asked.agent, journal)) as batches:
        async for batch in batches:
            events += batch
            if not first and any(isinstance(event, _SAID) for event in batch):
                first = time.perf_counter() - began
    if isinstance(events[-1], Failed):
        raise BenchError(f"an answer failed: {events[-1].error.message}")
    usage = next(event for event in reversed(events) if isinstance(event, UsageReport))
    who, route = f"{asked.session}/{asked.agent or ''}", journal.of("route")[-1]
    seconds = first or time.perf_counter() - began
    tokens = usage.prompt_tokens, usage.cached_tokens, usage.output_tokens
    return Answer(who, asked.kind, route["to"], route["reason"], began, seconds, *tokens, asked.small), events


def _settings(urls: Sequence[str], strategy: Strategy) -> MlxCluster:
    """As the product has them, but that nodes are looked at more often: these sessions are short."""
    nodes = tuple(Node(id=f"n{number}", url=url) for number, url in enumerate(urls))
    return MlxCluster(
        discovery=Discovery(nodes=nodes), routing=Routing(strategy=strategy), health=Health(check_interval_ms=2000)
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--strategies", type=_strategies, default=list(get_args(Strategy)))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="of each worker's arithmetic; 0: as many as it likes")
    parser.add_argument("--cache-mb", type=int, default=25, help="what each worker may keep; 0: as much as it likes")
    parser.add_argument("--model", type=Path, help="a folder; else a tiny model is made")
    parser.add_argument("--sessions", type=int, default=_USUAL.sessions)
    parser.add_argument("--turns", type=int, default=_USUAL.turns)
    parser.add_argument("--size", type=float, default=1.0, help="of all texts; 1: some 2,900 tokens at the beginning")
    parser.add_argument("--arrivals", type=float, default=_USUAL.arrivals, help="seconds in which sessions begin")
    parser.add_argument("--thinking", type=float, default=_USUAL.thinking, help="mean seconds between turns")
    return parser.parse_args()


def _strategies(text: str) -> list[Any]:
    names = text.split(",")
    if unknown := set(names) - set(get_args(Strategy)):
        raise argparse.ArgumentTypeError(f"no such strategy: {', '.join(sorted(unknown))}")
    return names


if __name__ == "__main__":
    sys.exit(main())
