"""The word to a person who waits."""

import asyncio

import pytest

from anyclaude.launch.patience import told_of


class Screen:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.cleared = 0

    def progress(self, text: str) -> None:
        self.lines.append(text)

    def clear(self) -> None:
        self.cleared += 1


async def test_it_is_told_ever_less_often_and_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    screen, naps, enough = Screen(), list[float](), asyncio.Event()

    async def nap(seconds: float) -> None:
        """Ends at once; the eighth never does."""
        naps.append(seconds)
        if len(naps) == 8:
            enough.set()
            await asyncio.Event().wait()

    monkeypatch.setattr(asyncio, "sleep", nap)
    async with told_of(screen, "the worker loads its model"), asyncio.timeout(30):
        await enough.wait()
    assert naps == [2, 3, 5, 10, 10, 30, 30, 30]
    assert screen.lines[0] == "the worker loads its model, for 2 s so far"
    assert screen.lines[-1] == "the worker loads its model, for 90 s so far"
    assert screen.cleared == 1


async def test_a_moment_is_not_told() -> None:
    screen = Screen()
    with pytest.raises(ValueError, match="as it was"):
        async with told_of(screen, "x"):
            raise ValueError("as it was")
    assert screen.lines == []
