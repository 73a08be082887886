"""The real Claude Code on the cluster, several at once with subagents: what real workers computed for it, by strategy.

    python scripts/bench/cluster_claude.py [--claudes 3] [--steps 20] [--strategies cache-aware,round-robin]

The nodes are real workers with a tiny model, whose answers are told to them (told_worker.py), behind one `anyclaude
--proxy-only`. Figures are the workers' own, from their /metrics. With `--model smollm2` the model is SmolLM2 and says
what it likes: then each Claude Code asks `--steps` questions in one conversation.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import question  # noqa: F401  (makes the tests' parts importable)
from cluster_nodes import Nodes, Work, started
from failure import BenchError, first_of
from tests.support import tiny_model
from tests.support.children import run
from tests.support.claude_code import HEADLESS, QUESTION, ClaudeCode
from tests.support.filler import filler
from tests.support.proxy import Proxy, proxy_only
from worker_servers import TOLD

from mlx_worker.smollm import prepared

HEAD: Final = (
    "| strategy | requests | prompt tokens a request | computed a request | from cache | CPU a request |\n"
    "|---|---|---|---|---|---|"
)
PARTS: Final = 8
PART_BYTES: Final = 600
CONTEXT: Final = 131_072
DEADLINE: Final = 1800.0
TOOLS: Final = "Bash,Agent"
SMOLLM: Final = "smollm2"
BRIEFLY: Final = {
    "CLAUDE_CODE_MAX_OUTPUT_TOKENS": "60",
    "CLAUDE_CODE_EXTRA_BODY": json.dumps({"temperature": 0, "stop_sequences": ["."]}),
}


def main() -> int:
    options = _options()
    try:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cluster-claude-")))
            nodes = stack.enter_context(_nodes(options, folder))
            print(HEAD)
            for strategy in options.strategies.split(","):
                print(f"{strategy}: {options.claudes} Claude Codes begin", file=sys.stderr)
                nodes.forget()
                before = nodes.work()
                asyncio.run(_phase(nodes.urls, strategy, folder / strategy, options))
                print(_row(strategy, nodes.work().since(before)), flush=True)
    except (BenchError, TimeoutError, ExceptionGroup) as error:
        print(f"bench: {first_of(error)}", file=sys.stderr)
        return 2
    return 0


def _nodes(options: argparse.Namespace, folder: Path) -> AbstractContextManager[Nodes]:
    if options.model == SMOLLM:
        return started(prepared(lambda said: print(said, file=sys.stderr)), options.nodes, options.threads)
    model = tiny_model.build(folder / "model", options.model, context=CONTEXT).folder
    return started(model, options.nodes, options.threads, kind=TOLD)


async def _phase(urls: Sequence[str], strategy: str, folder: Path, options: argparse.Namespace) -> None:
    """Every Claude Code in an account of its own, all at once, through one proxy. Raises BenchError."""
    named = json.dumps([{"id": f"n{number}", "url": url} for number, url in enumerate(urls)])
    folder.mkdir()  # noqa: ASYNC240 (nobody waits)
    settings = {"MLX_CLUSTER_NODES": named, "MLX_CLUSTER_STRATEGY": strategy, "MLX_CLUSTER_HEALTH_INTERVAL": "2000"}
    async with _proxy(folder, settings) as proxy:
        work = _ask if options.model == SMOLLM else _loop
        async with asyncio.TaskGroup() as group:
            for number in range(options.claudes):
                claude = ClaudeCode(folder / f"claude{number}", **(BRIEFLY if options.model == SMOLLM else {}))
                group.create_task(work(claude, claude.environ | proxy.environ, number, options))


@asynccontextmanager
async def _proxy(folder: Path, settings: Mapping[str, str]) -> AsyncIterator[Proxy]:
    """Raises BenchError when it does not start."""
    async with AsyncExitStack() as stack:
        try:
            proxy = await stack.enter_async_context(proxy_only(folder, "mlx-cluster", **settings))
        except (AssertionError, TimeoutError) as error:
            raise BenchError(f"the proxy did not start: {type(error).__name__} {error}") from error
        yield proxy


async def _loop(claude: ClaudeCode, environ: Mapping[str, str], number: int, options: argparse.Namespace) -> None:
    """One tool loop, a subagent in its midst."""
    for part in range(PARTS):
        (claude.work / f"part{part}.txt").write_text(filler(PART_BYTES, f"{number} {part}"))
    prompt = f"I am number {number}. Take {options.steps} steps. At step {options.steps // 3} send for help."
    await _run(claude, environ, prompt, "--tools", TOOLS)


async def _ask(claude: ClaudeCode, environ: Mapping[str, str], number: int, options: argparse.Namespace) -> None:
    """One conversation, question by question."""
    for step in range(options.steps):
        more = ["--continue"] if step else []
        await _run(claude, environ, f"{number}, {step}: {QUESTION}", "--tools", "", *more)


async def _run(claude: ClaudeCode, environ: Mapping[str, str], prompt: str, *arguments: str) -> None:
    command = [claude.environ["ANYCLAUDE_CLAUDE"], "-p", prompt, *HEADLESS, *arguments]
    ended = await run(command, environ, claude.work, DEADLINE)
    if ended.exit_code:
        raise BenchError(f"Claude Code ended with {ended.exit_code}: {(ended.stderr or ended.stdout)[-400:]}")


def _row(strategy: str, work: Work) -> str:
    requests = max(1, work.requests)
    cells = [
        strategy,
        str(work.requests),
        f"{work.prompt / requests:.0f}",
        f"{(work.prompt - work.cached) / requests:.0f}",
        f"{100 * work.cached / max(1, work.prompt):.1f} %",
        f"{work.cpu / requests:.2f} s",
    ]
    return f"| {' | '.join(cells)} |"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--claudes", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20, help="turns of a tool loop, or questions of a conversation")
    parser.add_argument("--strategies", default="cache-aware,round-robin,least-loaded")
    parser.add_argument("--model", default="qwen3", help=f"the kind of tiny model, or {SMOLLM}")
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="of each worker's arithmetic; 0: as many as it likes")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
