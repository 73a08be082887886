"""The runner of rank 0: every call that computes is told to the followers, then done here.

The engine above it knows nothing of this. It holds a `Handle` for each state; once the last one is gone, the followers
are told with the next call.

A call that fails here is told too: those where it failed as well go on, as this rank does; the others are out of step
and end. A follower that ends takes the group with it: every later call raises `RunnerLost`, and `lost` is called at
once, for an engine that waits or hangs.
"""

import threading
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlx_worker.distributed.channel import Channel, ChannelClosed
from mlx_worker.distributed.shard import GENERATION, SHAPE, Shard
from mlx_worker.generation import AnswerShape, Generation
from mlx_worker.prefix_entry import Cut
from mlx_worker.runner import Memory, Runner, RunnerLost, Step

LOST = "host {rank} of the group was lost ({why}); all of it starts again, ask again when /health says ready"
_A_MOMENT = 1.0  # seconds; a collective fails before the connection is seen to be lost
NO_DISK = "the states of a model that is split over machines are not written to disk"


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Handle:
    """Stands for one state on every rank."""

    number: int


class Followers:
    """All other ranks. `lost` is told once, on a thread of its own, why the group is over."""

    def __init__(self, channels: Mapping[int, Channel], lost: Callable[[str], None]) -> None:
        self._channels = channels
        self._lost = lost
        self._lock = threading.Lock()
        self._reason: str | None = None
        self._noticed = threading.Event()  # that one is lost
        self._closed = False

    def watch(self) -> None:
        for rank, channel in self._channels.items():
            threading.Thread(target=self._listen, args=(rank, channel), name=f"rank-{rank}", daemon=True).start()

    def tell(self, message: Mapping[str, Any]) -> None:
        """Raises RunnerLost."""
        with self._lock:
            if self._reason is not None:
                raise RunnerLost(self._reason)
            for rank, channel in self._channels.items():
                try:
                    channel.send(dict(message))
                except ChannelClosed as error:
                    raise RunnerLost(LOST.format(rank=rank, why=error)) from error

    def tell_failed(self, name: str) -> None:
        """A call failed here. Raises RunnerLost when that was because a rank is lost: it is noticed a moment later."""
        self._noticed.wait(_A_MOMENT)
        self.tell({"failed": name})

    def close(self) -> None:
        self._closed = True
        for channel in self._channels.values():
            channel.close()

    def _listen(self, rank: int, channel: Channel) -> None:
        """A follower says nothing but why it ends."""
        try:
            why = str(channel.receive().get("lost"))
        except (ChannelClosed, ValueError) as error:
            why = str(error)
        if not self._closed and self._reason is None:
            self._reason = LOST.format(rank=rank, why=why)
            self._noticed.set()
            self._lost(self._reason)


class LeadingRunner:
    """A `Runner` (see there) over the parts of a model. `room`: bytes that the tightest machine has for states."""

    def __init__(self, runner: Runner, followers: Followers, room: int | None = None) -> None:
        self.card, self.chat, self.markers = runner.card, runner.chat, runner.markers
        self.cuttable, self.steps_back, self.fingerprint = runner.cuttable, runner.steps_back, runner.fingerprint
        self._runner, self._shard, self._followers = runner, Shard(runner), followers
        self._gone: deque[int] = deque()
        memory = runner.memory()
        self._limit = memory.limit if room is None else min(memory.limit, memory.used + room)

    def new_kv(self) -> Handle:
        return self._handle(self._call("new_kv"))

    def fork(self, kv: Handle, length: int | None = None, cut: Cut | None = None) -> Handle:
        return self._handle(self._call("fork", kv.number, length, cut.state.number if cut else None))

    def cut(self, kv: Handle, back: int = 0) -> Cut:
        cut: Cut = self._call("cut", kv.number, back)
        return Cut(self._handle(cut.state), cut.nbytes)

    def trimmable(self, kv: Handle) -> bool:
        return self._runner.trimmable(self._shard.state(kv.number))

    def nbytes(self, kv: Handle) -> int:
        return self._runner.nbytes(self._shard.state(kv.number))

    def save(self, file: Path, kv: Handle, cuts: Mapping[int, Cut] | None, head: Mapping[str, str]) -> None:
        raise OSError(NO_DISK)

    def load(self, file: Path) -> tuple[Handle, Mapping[int, Cut] | None]:
        raise OSError(NO_DISK)

    drafted = None
    """A model that is split has no draft model beside it."""

    def memory(self) -> Memory:
        return Memory(self._runner.memory().used, self._limit)

    def prefill(self, kv: Handle, tokens: Sequence[int]) -> None:
        self._call("prefill", kv.number, list(tokens))

    def compile(self, tools: Sequence[dict[str, Any]], shape: AnswerShape) -> None:
        with suppress(RunnerLost):  # which is for the engine's thread to hear, not for whoever prepares a request
            self._followers.tell({"compile": [list(tools), SHAPE.dump_python(shape, mode="json", warnings=False)]})
        self._runner.compile(tools, shape)

    def start(self, kv: Handle, asked: Generation) -> int:
        uid: int = self._call("start", kv.number, GENERATION.dump_python(asked, mode="json", warnings=False))
        return uid

    def step(self) -> list[Step]:
        steps: list[Step] = self._call("step")
        return [step if step.end is None else replace(step, kv=self._handle(step.kv)) for step in steps]

    def drop(self, uid: int) -> tuple[Handle, Sequence[int]]:
        number, tokens = self._call("drop", uid)
        return self._handle(number), tokens

    def rebuild(self) -> None:
        self._call("rebuild")

    def close(self) -> None:
        self._followers.close()
        self._runner.close()

    def _handle(self, number: int) -> Handle:
        handle = Handle(number)
        weakref.finalize(handle, self._gone.append, number)
        return handle

    def _call(self, name: str, *arguments: Any) -> Any:
        gone = [self._gone.popleft() for _ in range(len(self._gone))]
        self._followers.tell({"call": name, "arguments": arguments, "forget": gone})
        self._shard.forget(gone)
        try:
            return self._shard.calls[name](*arguments)
        except Exception:
            self._followers.tell_failed(name)
            raise
