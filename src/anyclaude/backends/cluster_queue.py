"""The queue in front of a busy cluster: who waits until a node has room, in fair order and within bounds.

`look` is called by whoever hears that there may be room: a request ended or was let in, a node told of itself. Beside
that one timer waits for when a node that was full may be asked again, so nobody polls. A request takes its place at the
node in the moment in which it leaves the queue: one place that frees sends one request.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from anyclaude.backends.at_node import AtNode
from anyclaude.backends.sending import Sender
from anyclaude.cluster.fair_queue import FairQueue, Waiting
from anyclaude.cluster.node import Ask
from anyclaude.errors import Overloaded

NOBODY: Final = "no node of the cluster can be asked now; `anyclaude cluster status` says why"

_BUSY: Final = "every node of the cluster is busy"
_LONGEST: Final = 10.0
"""Seconds between two looks: that a node is no longer drained is told by nobody."""


@dataclass(slots=True, eq=False)
class Turn:
    """A request that waits, or waits again. deadline: of all its waiting, on the loop's clock."""

    ask: Ask
    deadline: float
    place: Waiting["Turn"] | None = None
    going: asyncio.Future[AtNode] = field(init=False)


class ClusterQueue:
    """seconds: for how long a request may wait; 0: nobody waits."""

    def __init__(self, sender: Sender, seconds: float) -> None:
        self._sender = sender
        self._seconds = seconds
        self._queue = FairQueue[Turn]()
        self._timer: asyncio.TimerHandle | None = None
        sender.on_change = self.look

    def __len__(self) -> int:
        return len(self._queue)

    def turn(self, ask: Ask) -> Turn:
        """For a request that begins to wait now."""
        return Turn(ask, self._now() + self._seconds)

    async def wait(self, turn: Turn) -> AtNode:
        """Where it goes when its turn has come; it has left then. Waiting again, it stands in front.

        Raises Overloaded when the queue is full, it has waited for too long, or no node is left to wait for.
        """
        turn.going = asyncio.get_running_loop().create_future()
        self._put(turn)
        try:
            async with asyncio.timeout_at(turn.deadline):
                self.look()
                return await turn.going
        except BaseException as error:
            self._leave(turn)
            if isinstance(error, TimeoutError):
                raise Overloaded(f"{_BUSY}, and none had room within {self._seconds:.0f} s; add a node") from None
            raise

    def look(self) -> None:
        """There may be room, or nobody left to wait for."""
        if len(self._queue) and self._sender.nobody_is_well():
            self._give_up()
        while (waiting := self._next()) is not None and self._sent(waiting):
            pass
        self._set_timer()

    def aclose(self) -> None:
        """No timer is left."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _put(self, turn: Turn) -> None:
        if self._seconds <= 0:
            raise Overloaded(f"{_BUSY}; ask again later, or add a node")
        if turn.place is not None:
            self._queue.put_back(turn.place)
            return
        turn.place = self._queue.put(turn, turn.ask, turn.deadline)
        if turn.place is None:
            raise Overloaded(f"{_BUSY}, and {len(self._queue)} requests wait already; ask again later, or add a node")

    def _next(self) -> Waiting[Turn] | None:
        """Whose turn it is; what is kept for small requests is given to nobody else."""
        if not len(self._queue):
            return None
        if self._sender.has_room(small=False):
            return self._queue.take(self._now())
        return self._queue.take(self._now(), small_only=True) if self._sender.has_room(small=True) else None

    def _sent(self, waiting: Waiting[Turn]) -> bool:
        turn = waiting.item
        if turn.going.done():  # its client has left in this moment
            return True
        going = self._sender.send(turn.ask)
        if going is None:
            self._queue.put_back(waiting)
            return False
        turn.going.set_result(going)
        return True

    def _give_up(self) -> None:
        while (waiting := self._queue.take(self._now())) is not None:
            if not waiting.item.going.done():
                waiting.item.going.set_exception(Overloaded(NOBODY))

    def _leave(self, turn: Turn) -> None:
        """Whoever leaves in the moment of its turn gives its place at the node back."""
        if turn.place is not None:
            self._queue.remove(turn.place)
        if turn.going.done() and not turn.going.cancelled() and turn.going.exception() is None:
            turn.going.result().end(asyncio.CancelledError())

    def _set_timer(self) -> None:
        self.aclose()
        if len(self._queue):
            at, longest = self._sender.room_at(), self._now() + _LONGEST
            self._timer = asyncio.get_running_loop().call_at(longest if at is None else min(at, longest), self.look)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
