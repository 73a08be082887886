"""The command `mlx_worker`, also `python -m mlx_worker`.

Here stands only what runs without the packages of the extra `worker`, so that who has not installed them is told so.
"""

import importlib
import importlib.util
import os
import sys
from contextlib import suppress
from typing import Final, NoReturn

from anyclaude.wire.exit_codes import ExitCode

PROGRAM: Final = "mlx_worker.command"
NEEDED: Final = ("fastapi", "mlx_lm", "uvicorn")
MISSING: Final = "what the worker needs is not installed; install it: pip install 'anyclaude[worker]'"


def main() -> NoReturn:
    """Do what the arguments ask, and end with the exit code."""
    if any(importlib.util.find_spec(name) is None for name in NEEDED):
        sys.stderr.write(f"mlx_worker: {MISSING}\n")
        sys.exit(ExitCode.NOT_READY)
    code: int = importlib.import_module(PROGRAM).main()
    with suppress(OSError):
        sys.stdout.flush()
    os._exit(code)  # an orderly exit sometimes aborts in MLX's own threads (0.32.4: "terminate called without ...")


if __name__ == "__main__":
    main()
