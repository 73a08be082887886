"""Prompts that are computed ahead: which ones are under way, so that asking twice costs nothing."""

import logging
import time
from dataclasses import dataclass
from hashlib import blake2b

from mlx_worker.engine import Engine
from mlx_worker.errors import QueueFull, WorkerError
from mlx_worker.events import Event, Failed, Finished
from mlx_worker.generation import Generation, Prompt

log = logging.getLogger("mlx_worker")

MOST = 16  # prompts under way


@dataclass(frozen=True, slots=True)
class Warmed:
    """hash: of the tokens to compute. tokens: how many they are. cached: how many of them need no computing."""

    hash: str
    tokens: int
    cached: int
    under_way: bool

    @property
    def done(self) -> bool:
        return self.cached >= self.tokens


class Warming:
    """One worker's. `warm` is called on the event loop, the ends come from the engine's thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._under_way: dict[str, float] = {}  # when each began

    def warm(self, generation: Generation, cached: int) -> Warmed:
        """Compute what is missing, unless that is under way. Raises QueueFull and NotReady."""
        tokens = len(generation.prompt.tokens) - 1
        name = name_of(generation.prompt)
        warmed = Warmed(name, tokens, cached, name in self._under_way)
        if warmed.done or warmed.under_way:
            return warmed
        if len(self._under_way) >= MOST:
            raise QueueFull(MOST)
        self._under_way[name] = time.monotonic()
        try:
            self._engine.submit(generation, lambda event: self._heard(name, event))
        except WorkerError:
            self._under_way.pop(name, None)
            raise
        log.info("computing %d tokens of a prompt ahead", tokens - cached)
        return warmed

    def _heard(self, name: str, event: Event) -> None:
        if not isinstance(event, Finished | Failed):
            return
        began = self._under_way.pop(name, None)
        if began is not None:
            how = "computed ahead" if isinstance(event, Finished) else "given up"
            log.info("a prompt was %s after %.1f s", how, time.monotonic() - began)


def beginning_of(prompt: Prompt, *, whole: bool) -> Prompt:
    """What of a prompt is worth computing ahead, and one token more, which the engine never computes.

    whole: the conversation without the generation tail; otherwise the system prompt and the tools alone.
    """
    end = prompt.stable_end if whole else prompt.system_end
    end = min(end or len(prompt.tokens), len(prompt.tokens) - 1)
    return Prompt(prompt.tokens[: end + 1], min(prompt.system_end, end), min(prompt.stable_end, end), prompt.section)


def name_of(prompt: Prompt) -> str:
    tokens = ",".join(map(str, prompt.tokens[:-1]))
    return blake2b(tokens.encode(), digest_size=16).hexdigest()
