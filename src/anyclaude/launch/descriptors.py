"""How many files and connections we may have open: as many as the system lets us, up to what is ever of use.

What programs are given at first may be 256 (macOS), and each answer under way takes two.
"""

import resource
from contextlib import suppress
from typing import Final

ENOUGH: Final = 4096


def take_descriptors() -> None:
    """Raise our own limit, which claude inherits, as far as the one above it allows. Where that fails it stays."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(ENOUGH, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
