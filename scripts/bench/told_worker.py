"""The real worker with its real engine, whose answers are told to it: what a toy model cannot decide by itself.

    python scripts/bench/told_worker.py --model FOLDER --port 8081

Prompts are rendered, computed and kept, and answers are written token by token, as ever. But each answer is held to one
single sentence, by the grammar that otherwise holds forced calls to a tool's schema: a tool loop of as many steps as
the prompt says ("Take 20 steps."), with subagents where it says so ("At step 6 send for help.").
"""

import argparse
import json
import os
import re
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from mlx_worker import blas
from mlx_worker.app import build_app
from mlx_worker.engine_thread import EngineThread
from mlx_worker.events import Sink
from mlx_worker.generation import AnswerShape, Conversation, Generation, Prompt, Sampling
from mlx_worker.jobs import Job, Limits
from mlx_worker.listening import serve
from mlx_worker.mlx_engine import MlxRunner
from mlx_worker.mlx_solo import load_as_set
from mlx_worker.settings import Settings

KEPT: Final = 64
_CALL: Final = AnswerShape(must_call=True, parallel=False)

Told = tuple[tuple[dict[str, Any], ...], AnswerShape]
"""The tools that are left to the model, and the shape that it must give its answer."""


class ToldEngine(EngineThread):
    """no_thinking: the token that would begin an endless thought."""

    def __init__(self, load: Callable[[], MlxRunner], limits: Limits, no_thinking: int) -> None:
        super().__init__(load, limits)
        self._sampling = Sampling(temperature=0.0, logit_bias=((no_thinking, -100.0),))
        self._told: dict[tuple[int, ...], Told] = {}

    def prepare(self, conversation: Conversation, shape: AnswerShape | None = None) -> Prompt:
        """The prompt as it is; and beside it what will be said."""
        prompt = super().prepare(conversation)
        if shape is not None:
            tools, told_shape = self._told[prompt.tokens] = told(conversation)
            while len(self._told) > KEPT:
                self._told.pop(next(iter(self._told)))
            self._ready_runner().compile(tools, told_shape)
        return prompt

    def submit(self, generation: Generation, sink: Sink) -> Job:
        tools, shape = self._told.get(generation.prompt.tokens, ((), AnswerShape()))
        if not generation.warm:
            generation = replace(generation, tools=tools, shape=shape, sampling=self._sampling)
        return super().submit(generation, sink)


def told(conversation: Conversation) -> Told:
    """The next answer of a conversation: a call, or that it is done."""
    names = {tool["function"]["name"] for tool in conversation.tools}
    done = sum(bool(message.get("tool_calls")) for message in conversation.messages)
    task = next(_tasks(conversation.messages), None)
    if task is None or not names or done >= int(task[1]):
        return (), AnswerShape(schema={"const": {"title": "Looked around"}})
    if task[2] and done == int(task[2]) and "Agent" in names:
        prompt = f"Take {max(1, int(task[1]) // 4)} steps."
        order = {"description": "Look", "prompt": prompt, "subagent_type": "general-purpose"}
        return (_only("Agent", order),), _CALL
    return (_only("Bash", {"command": f"cat part{done % 8}.txt; echo {done}", "description": "Look"}),), _CALL


def _tasks(messages: Sequence[Mapping[str, Any]]) -> Iterator[re.Match[str]]:
    for message in messages:
        found = re.search(r"Take (\d+) steps\.(?: At step (\d+) send for help\.)?", str(message.get("content")))
        if found and message["role"] == "user":
            yield found


def _only(name: str, arguments: Mapping[str, str]) -> dict[str, Any]:
    """A tool that can be called in one way."""
    members = {member: {"const": value} for member, value in arguments.items()}
    schema = {"type": "object", "properties": members, "required": list(members), "additionalProperties": False}
    return {"type": "function", "function": {"name": name, "parameters": schema}}


def _thinking(model: Path) -> int:
    """The token of `<think>`."""
    added = json.loads((model / "tokenizer.json").read_text())["added_tokens"]
    return next(int(token["id"]) for token in added if token["content"] == "<think>")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    limits = Limits(cache_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 8)
    engine = ToldEngine(lambda: load_as_set(options.model, limits), limits, _thinking(options.model))
    settings = Settings(port=options.port)
    with socket.create_server(("127.0.0.1", options.port)) as listener:
        serve(build_app(engine, settings, blas.report()), listener, settings)


if __name__ == "__main__":
    main()
