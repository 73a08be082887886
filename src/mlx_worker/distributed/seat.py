"""How a rank begins: it is told on stdin who it is, finds the others, and loads its part of the model.

Nothing of it is in a command line or, on another machine, in an environment: a token would be seen there. Stdin stays
open: `end` on it is a SIGTERM, and its end is that of the supervisor or of the way to it, after which a rank must not
stay behind. So a thread waits for that, and leaves without asking those that compute: they may hang.
"""

import json
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from anyclaude.wire.exit_codes import ExitCode
from mlx_worker import models
from mlx_worker.distributed.channel import Channel, ChannelClosed, connect, gather, listen_at
from mlx_worker.distributed.follower import OutOfStep, follow
from mlx_worker.distributed.leader import Followers, LeadingRunner
from mlx_worker.distributed.orders import CONTROL, END, LOST, ORPHANED, Seat
from mlx_worker.errors import ModelLoadError
from mlx_worker.mlx_distributed import check_splits, load_shard
from mlx_worker.mlx_engine import MlxRunner
from mlx_worker.model_folder import fingerprint_of
from mlx_worker.runner import Runner
from mlx_worker.settings import Settings

LOAD_SECONDS = 3600.0
"""Until the last rank has its model; it may have to be fetched."""


def take_seat(orders: BinaryIO) -> Seat:
    """Read the seat, take its environment, and end with `orders` from now on. Raises ValueError."""
    seat = Seat.model_validate_json(orders.readline())
    os.environ.update(seat.variables)
    os.environ["MLX_RANK"] = str(seat.rank)
    threading.Thread(target=_obey, args=(orders,), name="orders", daemon=True).start()
    return seat


def _obey(orders: BinaryIO) -> None:
    for line in orders:
        if line.strip() == END.encode():
            os.kill(os.getpid(), signal.SIGTERM)
    os._exit(ORPHANED)


class Leading:
    """The first rank before it has its runner."""

    def __init__(self, seat: Seat, settings: Settings) -> None:
        """Says on stdout where the others are to come. Raises OSError and ModelLoadError."""
        self._seat, self._settings = seat, settings
        self._listener = listen_at(seat.host)
        sys.stdout.write(f"{CONTROL}{self._listener.getsockname()[1]}\n")
        sys.stdout.flush()
        self._folder = models.resolve(settings.model_path)
        check_splits(self._folder, seat.size, pipeline=seat.pipeline)

    def load(self, lost: Callable[[str], None]) -> LeadingRunner:
        """For the engine's thread. `lost` is told once why the group is over, on any thread.

        Raises ModelLoadError, ChannelClosed, and RuntimeError when mlx finds no group.
        """
        channels = self._gather()
        for channel in channels.values():
            channel.send({"go": self._seat.size})
        with _deadline(
            LOAD_SECONDS, lambda: lost("the hosts did not load the model together in time: one of them hangs")
        ):
            runner = _loaded(self._seat, self._settings, self._folder)
        rooms = [channel.receive_within(LOAD_SECONDS)["room"] for channel in channels.values()]
        followers = Followers(channels, lost)
        followers.watch()
        return LeadingRunner(runner, followers, min(rooms))

    def _gather(self) -> dict[int, Channel]:
        came = gather(self._listener, self._seat.secret, range(1, self._seat.size), LOAD_SECONDS)
        fingerprint = fingerprint_of(self._folder)
        for rank, (_, hello) in came.items():
            if hello["model"] != fingerprint:
                raise ModelLoadError(
                    f"the model folder of rank {rank} has other files than that of rank 0: copy {self._folder} there"
                )
        return {rank: channel for rank, (channel, _) in came.items()}


def follow_leader(seat: Seat, settings: Settings) -> int:
    """A rank other than the first, from its start to its exit code. Raises ModelLoadError and RuntimeError."""
    assert seat.leader is not None
    folder = models.resolve(settings.model_path)
    with suppress(ChannelClosed):  # the leader is gone: the supervisor knows why
        channel = connect(seat.leader, seat.secret, {"rank": seat.rank, "model": fingerprint_of(folder)})
        channel.receive()
        runner = _loaded(seat, settings, folder)
        channel.send({"room": _room(runner)})
        return _follow(channel, runner)
    return LOST


def _follow(channel: Channel, runner: Runner) -> int:
    try:
        follow(channel, runner)
    except OutOfStep as error:  # who hears only that a connection is closed would not know why
        channel.send({"lost": str(error)})
        return LOST
    return ExitCode.DONE


@contextmanager
def _deadline(seconds: float, missed: Callable[[], None]) -> Iterator[None]:
    """For what cannot be interrupted: mlx waits for its peers however long."""
    timer = threading.Timer(seconds, missed)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _room(runner: Runner) -> int:
    memory = runner.memory()
    return memory.limit - memory.used


def _loaded(seat: Seat, settings: Settings, folder: Path) -> MlxRunner:
    with _files(seat):
        return load_shard(folder, backend=seat.backend, pipeline=seat.pipeline)


@contextmanager
def _files(seat: Seat) -> Iterator[None]:
    """The files that mlx reads when it joins the group."""
    with tempfile.TemporaryDirectory(prefix="mlx_worker-") as folder:
        for name, content in seat.files.items():
            file = Path(folder) / name
            file.write_text(json.dumps(content))
            os.environ[name] = str(file)
        yield
