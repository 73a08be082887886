"""The real servers as stages: llama.cpp and the worker, each with one model that knows every part by heart.

    cast = Cast(folder, [fixing, ordering])
    async with cast.on_llamacpp() as stage:
        await edit_run_fix(stage)

All scenarios of a cast are played in one folder, one after the other: what the model answers names its files.
"""

import json
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.by_heart import ByHeart, learn
from tests.support.by_heart_files import write_llamacpp, write_mlx
from tests.support.claude_code import Answer, ClaudeCode
from tests.support.llamacpp import llamacpp
from tests.support.meeting import Gathering
from tests.support.openai_upstream import Asked
from tests.support.relay import Relay
from tests.support.scenarios.spoken import spoken
from tests.support.scenarios.stage import Part
from tests.support.worker_nodes import Mother, WorkerNode

WINDOW = 65_536  # tokens
_NO_TITLE = {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}


@dataclass
class Real:
    """folder: where Claude Code works and has its home. mode, environ: how the proxy finds the relay."""

    folder: Path
    relay: Relay
    mode: str
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def asked(self) -> list[Asked]:
        return self.relay.asked

    def claude(self, part: Callable[[Path], Part], **environ: str) -> ClaudeCode:
        """The model has learnt the part before."""
        return ClaudeCode(self.folder, self.mode, **_NO_TITLE, **self.environ, **environ)

    def with_tools(self, *names: str) -> tuple[str, ...]:
        return ("--tools", ",".join(names))

    def check_computed(self, answer: Answer) -> None:
        """As the server counted, most of the prompts was there already."""
        usage = answer.result["usage"]
        assert usage["cache_read_input_tokens"] > usage["input_tokens"], usage

    def gather(self, gathering: Gathering) -> None:
        self.relay.gathering = gathering


class Cast:
    """The model and its files, made at once. folder: an empty one. window: of both servers, in tokens."""

    def __init__(self, folder: Path, parts: Sequence[Callable[[Path], Part]], window: int = WINDOW) -> None:
        self._folder, self._window = folder, window
        work = self._stage() / "work"
        model = _learnt(work, parts)
        self._mlx = write_mlx(model, folder / "mlx", window)
        self._gguf = write_llamacpp(model, folder / "by-heart.gguf")

    @asynccontextmanager
    async def on_llamacpp(self) -> AsyncIterator[Real]:
        async with llamacpp(self._folder, self._window, model=self._gguf) as url, Relay(url.removesuffix("/v1")) as relay:
            yield Real(self._stage(), relay, "lmstudio", {"LMSTUDIO_URL": f"{relay.url}/v1"})

    @asynccontextmanager
    async def on_the_worker(self, mother: Mother) -> AsyncIterator[Real]:
        node = WorkerNode(mother, self._mlx)
        try:
            node.start()
            async with Relay(node.url) as relay:
                named = json.dumps([{"id": "worker", "url": relay.url}])
                yield Real(self._stage(), relay, "mlx-cluster", {"MLX_CLUSTER_NODES": named})
        finally:
            node.kill()

    def _stage(self) -> Path:
        """Swept."""
        stage = self._folder / "stage"
        shutil.rmtree(stage, ignore_errors=True)
        return stage


def _learnt(work: Path, parts: Sequence[Callable[[Path], Part]]) -> ByHeart:
    answers: dict[str, str] = {}
    for part in parts:
        said = {cue: spoken(reply) for cue, reply in part(work).items()}
        assert not said.keys() & answers.keys(), "two parts have a cue in common"
        answers |= said
    return learn(answers)
