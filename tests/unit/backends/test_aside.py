"""Steps of large requests are done where nobody waits for them."""

import threading

import pytest

from anyclaude.backends.aside import LARGE, aside


async def test_a_small_request_stays_on_the_loop_and_a_large_one_does_not() -> None:
    here = threading.get_ident()
    assert await aside(LARGE - 1, threading.get_ident) == here
    assert await aside(LARGE, threading.get_ident) != here


@pytest.mark.parametrize("size", [0, LARGE])
async def test_what_the_step_raises_is_raised(size: int) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        await aside(size, int, "x")
