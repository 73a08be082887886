"""Whether the engine of the first rank still lives: it says so to the supervisor, and gives up an engine that hangs.

With jaccl a lost peer is not noticed by those who wait for it (mlx 0.32.4), and any rank may stand still.
"""

import sys
import threading
from collections.abc import Callable
from contextlib import suppress

from mlx_worker.distributed.orders import PULSE
from mlx_worker.engine import EngineStatus

PULSE_SECONDS = 5.0
HANGING_SECONDS = 60.0


def hangs(status: EngineStatus) -> bool:
    """`hung` already knows how long the engine's turns have taken."""
    return status.hung and status.heartbeat_age > HANGING_SECONDS


def watch(status: Callable[[], EngineStatus], give_up: Callable[[str], None]) -> None:
    """Start to watch an engine, until it is given up."""
    threading.Thread(target=pulse, args=(status, give_up), name="watchdog", daemon=True).start()


def pulse(
    status: Callable[[], EngineStatus], give_up: Callable[[str], None], pause: Callable[[float], object] | None = None
) -> None:
    """`pause` waits so many seconds."""
    pause = pause or threading.Event().wait
    while not hangs(now := status()):
        with suppress(OSError):  # the supervisor is gone: then stdin is closed too
            sys.stdout.write(f"{PULSE}\n")
            sys.stdout.flush()
        pause(PULSE_SECONDS)
    give_up(f"the engine gave no sign of life for {now.heartbeat_age:.0f} seconds: one of the hosts hangs, or is gone")
