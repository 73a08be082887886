"""The levels of `ANYCLAUDE_DEBUG`, and what of the log each one lets through.

0: what a person has to know when something went wrong. 1: one line a request too. 2: how each request was dealt with.
3: everything, single events included.
"""

import logging
from typing import Final

BASIC: Final = 15
TRACE: Final = 5

_LEVELS: Final = (logging.INFO, BASIC, logging.DEBUG, TRACE)


def logging_level(debug: int) -> int:
    """The level of `logging` for a debug level of 0 to 3. What is beyond counts as the nearest."""
    return _LEVELS[max(0, min(debug, 3))]


def name_levels() -> None:
    """Teach `logging` the names of ours."""
    logging.addLevelName(BASIC, "BASIC")
    logging.addLevelName(TRACE, "TRACE")
