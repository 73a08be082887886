"""`python -m mlx_worker.distributed.rank`: one program of a group, started by the supervisor on each machine.

Rank 0 is the whole worker, on a runner that takes the others with it; each of the others only follows.
"""

import os
import sys

from anyclaude.wire.exit_codes import ExitCode
from mlx_worker import blas
from mlx_worker.app import build_app
from mlx_worker.distributed.channel import ChannelClosed
from mlx_worker.distributed.orders import CANNOT_SERVE, LOST, ORPHANED, Seat
from mlx_worker.distributed.seat import Leading, follow_leader, take_seat
from mlx_worker.distributed.watchdog import watch
from mlx_worker.errors import ModelLoadError
from mlx_worker.listening import CannotServe, bound, listen, serve
from mlx_worker.log_lines import show_log
from mlx_worker.server import build_engine
from mlx_worker.settings import Settings, SettingsError


def main() -> int:
    """DONE: told to end, CANNOT_SERVE, others: to be started again."""
    try:
        seat = take_seat(sys.stdin.buffer)
    except ValueError:  # the supervisor has gone before it said who we are
        return ORPHANED
    try:
        settings = Settings.from_environment(os.environ)
        if seat.rank:
            return follow_leader(seat, settings)
        show_log(settings.log_level)
        _lead(seat, settings)
    except (CannotServe, ModelLoadError, SettingsError) as error:
        sys.stderr.write(f"mlx_worker: rank {seat.rank}: {error}\n")
        return CANNOT_SERVE
    except (ChannelClosed, OSError, RuntimeError) as error:
        sys.stderr.write(f"mlx_worker: rank {seat.rank}: {error}\n")
        return LOST
    return ExitCode.DONE


def _lead(seat: Seat, settings: Settings) -> None:
    with bound(settings) as listener:
        leading = Leading(seat, settings)
        engine = build_engine(settings, lambda: leading.load(engine.give_up))
        listen(listener, settings)
        watch(engine.status, engine.give_up)
        serve(build_app(engine, settings, blas.report()), listener, settings)


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # threads may hang in mlx; and see mlx_worker.__main__
