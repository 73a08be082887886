"""A line now and then while something takes its time, from a thread: what is waited for may be C code."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EVERY = 10.0  # seconds
LAST_SECONDS = 1.0  # for a line that is being written


@contextmanager
def so_far(progress: Callable[[str], None], what: str, every: float = EVERY) -> Iterator[None]:
    """While the block runs, say what is being done and for how long so far."""
    over, began = threading.Event(), time.monotonic()

    def tell() -> None:
        while not over.wait(every):
            progress(f"{what}, for {time.monotonic() - began:.0f} s so far")

    teller = threading.Thread(target=tell, name="so-far", daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join(LAST_SECONDS)
