"""The real servers as stages: llama.cpp and the worker, each with one model that knows every part by heart.

    cast = Cast(folder, [fixing, ordering])
    async with cast.on_llamacpp() as stage:
        await edit_run_fix(stage)

All scenarios of a cast are played in one folder, one after the other: what the model answers names its files.
"""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

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
    """folder: where Claude Code works and has its home. mode, environ: how the proxy finds the relay.

    server: its address. busy: whether it computes, by what it says of itself.
    """

    folder: Path
    relay: Relay
    mode: str
    server: str
    busy: Callable[[Any], bool]
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

    def hold_behind(self, word: str) -> None:
        self.relay.hold = word.encode()

    async def idle(self) -> None:
        """Asks the server, past the relay. The caller bounds the wait."""
        async with httpx.AsyncClient(base_url=self.server, trust_env=False) as client:
            path = "/health" if self.mode == "mlx-cluster" else "/slots"
            while self.busy((await client.get(path)).json()):  # noqa: ASYNC110 - the server tells nobody of its end
                await asyncio.sleep(0.05)


class Cast:
    """The model and its files, made at once. folder: an empty one."""

    def __init__(self, folder: Path, parts: Sequence[Callable[[Path], Part]]) -> None:
        self._folder = folder
        self._model = _learnt(self._stage() / "work", parts)
        self._gguf = write_llamacpp(self._model, folder / "by-heart.gguf")

    @asynccontextmanager
    async def on_llamacpp(self, window: int = WINDOW) -> AsyncIterator[Real]:
        """window: in tokens."""
        async with llamacpp(self._folder, window, model=self._gguf) as url, Relay(url.removesuffix("/v1")) as relay:
            environ = {"LMSTUDIO_URL": f"{relay.url}/v1"}
            yield Real(self._stage(), relay, "lmstudio", url.removesuffix("/v1"), _some_slot_works, environ)

    @asynccontextmanager
    async def on_the_worker(self, mother: Mother, window: int = WINDOW) -> AsyncIterator[Real]:
        """window: in tokens."""
        node = WorkerNode(mother, write_mlx(self._model, self._folder / f"mlx-{window}", window))
        try:
            await asyncio.to_thread(node.start)
            async with Relay(node.url) as relay:
                environ = {"MLX_CLUSTER_NODES": json.dumps([{"id": "worker", "url": relay.url}])}
                yield Real(self._stage(), relay, "mlx-cluster", node.url, _some_request_works, environ)
        finally:
            node.close()

    def _stage(self) -> Path:
        """Swept."""
        stage = self._folder / "stage"
        shutil.rmtree(stage, ignore_errors=True)
        return stage


def _some_slot_works(slots: Any) -> bool:
    return any(slot["is_processing"] for slot in slots)


def _some_request_works(health: Any) -> bool:
    return bool(health["active"])


def _learnt(work: Path, parts: Sequence[Callable[[Path], Part]]) -> ByHeart:
    answers: dict[str, str] = {}
    for part in parts:
        said = {cue: spoken(reply) for cue, reply in part(work).items()}
        assert all(said.get(cue, answer) == answer for cue, answer in answers.items()), "a cue with two answers"
        answers = {cue: answer for cue, answer in answers.items() if cue not in said} | said
    return learn(answers)
