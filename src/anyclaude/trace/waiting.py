"""What waits for the disk: a queue with bounds in number and in bytes, between the event loop and one thread."""

import threading
from collections import deque
from typing import Final

from anyclaude.trace.draft import Draft

MOST_WAITING: Final = 256
MOST_BYTES_WAITING: Final = 64 * 1024 * 1024


class Waiting:
    """Drafts in the order in which they came. `put` never waits for more than the lock."""

    def __init__(self) -> None:
        self._drafts: deque[Draft] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._closed = False

    @property
    def closed(self) -> bool:
        return self._closed

    def put(self, draft: Draft) -> bool:
        """Whether there is room. After the end everything is dropped in silence."""
        with self._changed:
            if len(self._drafts) >= MOST_WAITING or self._bytes + draft.size > MOST_BYTES_WAITING:
                return False
            if not self._closed:
                self._drafts.append(draft)
                self._bytes += draft.size
                self._changed.notify()
            return True

    def take(self, seconds: float) -> Draft | None:
        """The next one; None when there was none for that long, or there will be none any more."""
        with self._changed:
            if not self._drafts and not self._closed and seconds > 0:
                self._changed.wait(seconds)
            if not self._drafts:
                return None
            draft = self._drafts.popleft()
            self._bytes -= draft.size
            return draft

    def close(self) -> None:
        """No more will come. What is there can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify()
