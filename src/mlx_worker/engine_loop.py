"""What the engine's thread does: load the model, take what came in, compute one turn, again; and how that ends.

Its life: loading -> ready -> draining -> gone, or dead from anywhere: the model cannot be loaded, the thread met an
error that it cannot survive, or `MAX_FAILURES` batches in a row failed. When it is dead, all requests fail at once and
/health says why; `died` is called, so that the program may end and be started again. A heartbeat, once a turn, tells a
hung engine from a busy one.
"""

import gc
import logging
import time
from collections.abc import Callable, Sequence

from mlx_worker.engine import CachedPrefix
from mlx_worker.errors import ModelLoadError
from mlx_worker.inbox import Errand, Inbox
from mlx_worker.jobs import Figures, Job, Limits
from mlx_worker.pace import Pace
from mlx_worker.prefix_list import PrefixList
from mlx_worker.runner import Runner, RunnerLost
from mlx_worker.so_far import so_far
from mlx_worker.turns import Turns

log = logging.getLogger("mlx_worker")

IDLE_SECONDS = 0.5
PUT_AWAY_SECONDS = 5.0
LIST_SECONDS = 1.0
QUIET_SECONDS = 0.05
MAX_FAILURES = 3


class EngineLoop:
    """`load` makes the runner, or raises ModelLoadError. died: told once, with the error, when the engine is dead.

    runner, turns: None while the model is loading. listed: what is in the prefix cache, and when that was looked up.
    pace: of its turns. Others may read these, and set `stopping`.
    """

    def __init__(
        self, load: Callable[[], Runner], limits: Limits, inbox: Inbox, died: Callable[[BaseException], None]
    ) -> None:
        self._load, self._limits, self._inbox, self._died = load, limits, inbox, died
        self.runner: Runner | None = None
        self.turns: Turns | None = None
        self.listed: tuple[float, Sequence[CachedPrefix]] = (0.0, ())
        self.stopping = False
        self.pace = Pace(limits.still_seconds, time.monotonic)
        self._list = PrefixList()
        self._unlisted = True

    def run(self) -> None:
        try:
            self._live()
        except (ModelLoadError, RunnerLost) as error:
            log.error("%s", error)
            self.die(str(error), error)
        except BaseException as error:  # the last stand of the thread: whoever waits must hear of it
            log.exception("the engine died")
            self.die(f"the engine died: {type(error).__name__}: {error}", error)

    def die(self, reason: str, error: BaseException) -> None:
        """May be called from another thread, where this one hangs."""
        first = self._inbox.die(reason)
        self._end()
        if first:
            self._died(error)

    def _live(self) -> None:
        started = time.monotonic()
        with so_far(log.info, "loading the model"):
            self.runner = self._load()
        self.turns = Turns(self.runner, self._limits, self._inbox.begun)
        gc.freeze()
        log.info("%s, loaded in %.1f s", _described(self.runner), time.monotonic() - started)
        self._inbox.open()
        self._take_turns(self.turns)
        self.turns.prefixes.put_away(time.monotonic() + PUT_AWAY_SECONDS)
        self.runner.close()
        self._end()
        log.info("the engine has ended: %s", _summary(self.turns.figures))

    def _take_turns(self, turns: Turns) -> None:
        draining = False
        while not self.stopping:
            self._let_in(turns)
            if self._inbox.state == "draining" and not draining:  # told here: a signal's catcher must not write
                draining = True
                in_work = len(turns.waiting) + len(turns.prefilling) + len(turns.decoding)
                log.info("draining: no new requests are taken, %d are in work", in_work)
            self._turn(turns)
            if turns.figures.consecutive_failures >= MAX_FAILURES:
                raise RuntimeError(f"{MAX_FAILURES} failures in a row, see the log; restart the worker")

    def _let_in(self, turns: Turns) -> None:
        """With nothing to do, wait for something, and then use the time for what is left to be put away."""
        came = False
        for item in self._inbox.take(self._patience(turns)):
            came = True
            match item:
                case Job() as job:
                    self._list.name(job.generation)
                    turns.add(job)
                case Errand() as errand:
                    errand.run(turns)
        if turns.idle:
            self.look(turns, LIST_SECONDS if came else 0.0)
            turns.rest()

    def _patience(self, turns: Turns) -> float:
        """Seconds to wait for something to do. Who asks again at once is not to wait for the list of the cache."""
        if not turns.idle:
            return 0.0
        return QUIET_SECONDS if self._unlisted else IDLE_SECONDS

    def _turn(self, turns: Turns) -> None:
        self.pace.begin()
        turns.turn()
        self.pace.end(turns.doing)
        turns.doing = ""
        self._unlisted = self._unlisted or not turns.idle
        self.look(turns, LIST_SECONDS)

    def look(self, turns: Turns, seconds: float) -> None:
        """List what is in the cache, if that was not done for so long."""
        now = time.monotonic()
        if now - self.listed[0] >= seconds:
            self.listed = (now, self._list.look(turns.prefixes))
            self._unlisted = False

    def _end(self) -> None:
        """Everyone still here hears that it is over."""
        error = self._inbox.farewell()
        if self.turns is not None:
            self.turns.end(error)
        self._inbox.turn_out(error)


def _described(runner: Runner) -> str:
    card, memory = runner.card, runner.memory()
    tools = "takes tools" if card.supports_tools else "takes no tools"
    room = f"{memory.used / 1e9:.1f} GB of {memory.limit / 1e9:.1f} in use"
    return f"ready: {card.id}, {card.context_length} tokens of context, {tools}, {room}"


def _summary(figures: Figures) -> str:
    return f"{figures.finished} requests finished, {figures.failed} failed, {figures.cancelled} cancelled"
