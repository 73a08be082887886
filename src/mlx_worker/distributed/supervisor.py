"""`python -m mlx_worker --hostfile`: starts a rank on each machine, and all of them again when one is lost.

What is left of a group cannot go on without the lost rank, so the others end too; the first one a little later, so that
whoever waits for an answer hears an error. A group that is lost too often is given up.
"""

import os
import secrets
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlx_worker.distributed.group import Group
from mlx_worker.distributed.hostfile import Hostfile, check_backend, connections, port_for, read_hostfile
from mlx_worker.distributed.orders import CANNOT_SERVE, LOST, Seat
from mlx_worker.listening import CannotServe
from mlx_worker.settings import VARIABLES, Settings

STARTING_PORT = 32_323
"""As mlx.launch has it."""
MOST_LOSSES = 5
WITHIN_SECONDS = 600.0
LONGEST_PAUSE = 30.0
GRACE_SECONDS = 10.0
FOLLOWERS_NEED = ("MLX_MODEL_PATH", "MLX_MAX_BATCH")


@dataclass(frozen=True, slots=True)
class Plan:
    hostfile: Hostfile
    backend: str
    starting_port: int
    pipeline: bool


def plan_of(file: Path, backend: str | None, starting_port: int, *, pipeline: bool) -> Plan:
    """Raises HostfileError."""
    hostfile = read_hostfile(file)
    chosen = backend or hostfile.backend or "ring"
    check_backend(hostfile, chosen)
    return Plan(hostfile, chosen, starting_port, pipeline)


def supervise(
    plan: Plan,
    settings: Settings,
    *,
    start: Callable[..., Group] = Group,
    wait: Callable[[float], object] | None = None,
) -> int:
    """Until told to end by an exception, such as that of a signal. Returns the exit code of a group that cannot serve,
    or was lost too often. Raises CannotServe and HostfileError."""
    _check_options(settings)
    losses, wait = Losses(), wait or threading.Event().wait
    variables = variables_of(settings, os.environ)
    while True:
        seats = seats_of(plan, variables)
        with start(plan.hostfile, seats, settings.drain_seconds + GRACE_SECONDS) as group:
            end = group.run()
        if end.code in (0, CANNOT_SERVE):
            return end.code
        variables |= group.address
        pause = losses.pause()
        if pause is None:
            _say(f"{end.reason}: lost {MOST_LOSSES} times in {WITHIN_SECONDS / 60:.0f} minutes, see above why")
            return LOST
        _say(f"{end.reason}: all ranks start again in {pause:.0f} s")
        wait(pause)


def _check_options(settings: Settings) -> None:
    """Raises CannotServe for what a split model cannot have."""
    odd = [VARIABLES[name] for name in ("kv_bits", "draft_model") if getattr(settings, name)]
    if odd:
        raise CannotServe(f"{odd[0]} does not go with --hostfile: unset it, or serve a model that one machine holds")


class Losses:
    """How long to wait after each loss: twice as long as after the last one, as long as that is recent."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._times: deque[float] = deque()

    def pause(self) -> float | None:
        """Seconds; None when it is of no use any more."""
        now = self._clock()
        while self._times and self._times[0] <= now - WITHIN_SECONDS:
            self._times.popleft()
        self._times.append(now)
        if len(self._times) >= MOST_LOSSES:
            return None
        return float(min(2 ** (len(self._times) - 1), LONGEST_PAUSE))


def variables_of(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """The worker's settings, for the first rank. The disk tier is off: a state has a part on every machine."""
    given = {name: environ[name] for name in VARIABLES.values() if name in environ}
    if settings.disk_cache_bytes:
        _say("the disk cache is off: the states of a model that is split over machines are not written to disk")
    if settings.model_path and Path(settings.model_path).is_dir():
        given["MLX_MODEL_PATH"] = str(Path(settings.model_path).absolute())
    return given | {"MLX_DISK_CACHE_BYTES": "0"}


def seats_of(plan: Plan, variables: Mapping[str, str]) -> list[Seat]:
    """Raises HostfileError."""
    hosts = plan.hostfile.hosts
    common, files = connections(plan.hostfile, plan.backend, port_for(plan.hostfile, plan.starting_port))
    shared: dict[str, Any] = {
        "size": len(hosts),
        "backend": plan.backend,
        "pipeline": plan.pipeline,
        "secret": secrets.token_hex(32),
        "host": hosts[0].ips[0],
        "files": files,
    }
    needed = {name: variables[name] for name in FOLLOWERS_NEED if name in variables}
    return [
        Seat(rank=rank, variables={**common, **(needed if rank else variables)}, **shared) for rank in range(len(hosts))
    ]


def _say(line: str) -> None:
    with suppress(OSError):
        print(f"mlx_worker: {line}", file=sys.stderr, flush=True)  # noqa: T201
