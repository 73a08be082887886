"""A request inside the engine, the engine's limits, and the figures that it keeps."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlx_worker.events import Event, Sink
from mlx_worker.generation import Generation
from mlx_worker.output import OutputReader
from mlx_worker.prefix_entry import Cut


@dataclass(frozen=True, slots=True)
class Limits:
    """Requests, requests, tokens, bytes, entries; folder and bytes of the disk tier; bits of a quantised state.

    disk_cache_bytes 0: no disk tier. kv_bits 0: states as the model computes them. draft_model: None, no speculation.
    max_batch: always 1 where `solo`. still_seconds: that the engine may take for a token, at least, before it counts as
    hung (`pace`).
    """

    max_queue: int = 64
    max_batch: int = 8
    prefill_chunk: int = 512
    cache_bytes: int = 1 << 32
    cache_entries: int = 256
    disk_cache_dir: Path | None = None
    disk_cache_bytes: int = 0
    kv_bits: int = 0
    draft_model: Path | None = None
    still_seconds: float = 1.5

    def __post_init__(self) -> None:
        if self.solo:
            object.__setattr__(self, "max_batch", 1)

    @property
    def solo(self) -> bool:
        """Whether one sequence is decoded at a time: mlx-lm batches neither quantised states nor draft models."""
        return bool(self.kv_bits or self.draft_model)


@dataclass(eq=False, slots=True)
class Job:
    """`done` tokens of the prompt are in `kv`, or while it waits, in the cache; `uid` is set once it decodes."""

    generation: Generation
    sink: Sink
    arrival: int
    clock: Callable[[], float] = time.monotonic
    cancelled: bool = False
    cached: int = 0
    done: int = 0
    kv: Any = None
    cuts: dict[int, Cut] = field(default_factory=dict)
    uid: int | None = None
    reader: OutputReader | None = None
    completion: int = 0
    arrived: float = field(init=False)
    said: float = field(init=False)

    def __post_init__(self) -> None:
        self.arrived = self.said = self.clock()

    @property
    def warm(self) -> bool:
        return self.generation.warm

    @property
    def tokens(self) -> tuple[int, ...]:
        return self.generation.prompt.tokens

    @property
    def last(self) -> int:
        """Where prefill ends: the last token is computed by the first decoding step."""
        return len(self.tokens) - 1

    @property
    def remaining(self) -> int:
        return self.last - self.done

    def release(self) -> None:
        """Let the arrays go. The job itself may live on for a while, in a circle with the answer that it is told to."""
        self.kv, self.cuts = None, {}

    def tell(self, *events: Event) -> None:
        self.said = self.clock()
        for event in events:
            self.sink(event)


class Speed:
    """Tokens a second, mostly those of the last ten busy seconds."""

    def __init__(self) -> None:
        self._tokens = self._seconds = 0.0

    def add(self, tokens: int, seconds: float) -> None:
        fade = max(0.0, 1.0 - seconds / 10.0)
        self._tokens = self._tokens * fade + tokens
        self._seconds = self._seconds * fade + seconds

    @property
    def tps(self) -> float | None:
        return round(self._tokens / self._seconds, 2) if self._seconds else None


@dataclass(slots=True)
class Figures:
    prefill: Speed = field(default_factory=Speed)
    decode: Speed = field(default_factory=Speed)
    finished: int = 0
    failed: int = 0
    cancelled: int = 0
    consecutive_failures: int = 0
    busy_seconds: float = 0.0

    @property
    def average_seconds(self) -> float:
        return self.busy_seconds / self.finished if self.finished else 0.0
