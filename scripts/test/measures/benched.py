"""The parts of scripts/bench that measures are made of, found from wherever they are started."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "bench"))
from answers import Plan
from cancel import CHUNK, HEAD, Upstream
from children import Child, listening_port, python_child
from exchange import Address, ask
from targets import start_proxy

__all__ = [
    "CHUNK",
    "HEAD",
    "Address",
    "Child",
    "Plan",
    "Upstream",
    "ask",
    "listening_port",
    "python_child",
    "start_proxy",
]
