"""What the supervisor and a rank say to each other, over the rank's stdin and stdout. No mlx in here."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from anyclaude.wire.exit_codes import ExitCode
from mlx_worker.distributed.hostfile import Backend

END: Final = "end"
"""To the first rank: let answers finish, then end."""
CONTROL: Final = "mlx_worker control "
"""From the first rank: the port where the others are to come."""
PULSE: Final = "mlx_worker pulse"
"""From the first rank: the engine lives."""
LISTENING: Final = "mlx_worker listening on "
"""From the first rank: the address of the API."""

CANNOT_SERVE: Final = ExitCode.NOT_READY
LOST: Final = ExitCode.FAULT
ORPHANED: Final = ExitCode.TRY_AGAIN


class Seat(BaseModel):
    """Who a rank is. leader: where rank 0 waits for the others; unknown to itself, which is to find a port at `host`.

    variables: of its environment. files: variables whose value is the name of a file with this JSON in it.
    """

    model_config = ConfigDict(frozen=True)

    rank: int
    size: int
    backend: Backend
    pipeline: bool
    secret: str
    host: str
    leader: tuple[str, int] | None = None
    variables: Mapping[str, str] = {}
    files: Mapping[str, Any] = {}
