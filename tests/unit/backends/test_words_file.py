"""The file that the models' own words outlive a proxy in: private, bounded, shared, never the cause of a failure."""

import asyncio
import json
import logging
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from anyclaude.backends.own_words import OwnWords
from anyclaude.backends.words_file import MOST_BYTES, NAME, WordsFile

WRITTEN = '{"new_string": "secret word  ", "file_path": "/a"}'
CAME = {"file_path": "/a", "new_string": "secret word"}
ORIGINAL = json.loads(WRITTEN)
DAY = 86_400


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000_000.0

    def __call__(self) -> float:
        return self.now


def request(call: str = "c1", **came: Any) -> dict[str, Any]:
    block = {"type": "tool_use", "id": call, "name": "Edit", "input": came or CAME}
    return {"messages": [{"role": "assistant", "content": [block]}]}


async def sent(words: OwnWords, call: str = "c1", **came: Any) -> dict[str, Any]:
    """The input that goes upstream."""
    whole = await words.restored(request(call, **came))
    got: dict[str, Any] = whole["messages"][0]["content"][0]["input"]
    return got


async def lived(folder: Path, *calls: str, clock: Clock | None = None) -> None:
    """A proxy in which these calls were made and came back."""
    words = OwnWords(file=WordsFile(folder, clock or Clock()))
    words.keep((call, WRITTEN) for call in calls)
    for call in calls:
        await sent(words, call)
    await words.aclose()


def in_its_order(got: dict[str, Any]) -> bool:
    return list(got.items()) == list(ORIGINAL.items())


async def test_the_next_proxy_knows_them(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    await lived(folder, "c1")
    assert in_its_order(await sent(OwnWords(file=WordsFile(folder, Clock()))))
    assert stat.S_IMODE((folder / NAME).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert "secret" not in (folder / NAME).read_text()


async def test_only_the_very_call_is_meant(tmp_path: Path) -> None:
    await lived(tmp_path, "c1")
    words = OwnWords(file=WordsFile(tmp_path, Clock()))
    assert not in_its_order(await sent(words, "c2"))
    assert list(await sent(words, "c1", file_path="/a", new_string="other")) == ["file_path", "new_string"]


async def test_what_came_back_as_it_was_is_not_kept(tmp_path: Path) -> None:
    words = OwnWords(file=WordsFile(tmp_path, Clock()))
    words.keep([("c1", json.dumps(CAME))])
    await sent(words)
    await words.aclose()
    assert not (tmp_path / NAME).exists()


async def test_it_is_written_without_being_asked(tmp_path: Path) -> None:
    file = WordsFile(tmp_path, Clock(), delay=0.01)
    file.note("c1", CAME, {"whole": ORIGINAL})
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            await asyncio.to_thread(thread.join, 30)
    assert (tmp_path / NAME).exists()
    assert file.original("c1", CAME) == ORIGINAL


async def test_several_at_once_lose_nothing(tmp_path: Path) -> None:
    calls = [f"c{number}" for number in range(12)]
    await asyncio.gather(*(lived(tmp_path, call) for call in calls))
    words = OwnWords(file=WordsFile(tmp_path, Clock()))
    assert all([in_its_order(await sent(words, call)) for call in calls])


DAMAGED = [
    b"",
    b"{",
    b"[]",
    b"{}",
    b'{"calls": {"a": 1}}',
    b'{"calls": {"a": [NaN, {}]}}',
    b'{"calls": {"a": [1' + b"0" * 400 + b", {}]}}",
    b"\xff",
    b" " * 2_000_000,
]


@pytest.mark.parametrize("content", DAMAGED)
async def test_a_damaged_file_is_begun_anew_with_one_line(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / NAME).write_bytes(content)
    await lived(tmp_path, "c1")
    assert len(caplog.messages) == 1
    caplog.clear()
    assert in_its_order(await sent(OwnWords(file=WordsFile(tmp_path, Clock()))))
    assert caplog.messages == []


@pytest.mark.parametrize("change", [{"keys": 1}, {"keys": [["nobody", None]]}, {}, {"whole": 1}, {"what": 1}])
async def test_a_false_change_is_passed_over(tmp_path: Path, change: dict[str, Any]) -> None:
    file = WordsFile(tmp_path, Clock())
    file.note("c1", CAME, change)
    await file.flush()
    assert await sent(OwnWords(file=WordsFile(tmp_path, Clock()))) == CAME


async def test_the_oldest_make_room(tmp_path: Path) -> None:
    clock = Clock()
    file = WordsFile(tmp_path, clock)
    for number in range(100):
        clock.now += 1
        file.note(f"c{number}", CAME, {"whole": {"text": "x" * 15_000}})
    await file.flush()
    assert (tmp_path / NAME).stat().st_size <= MOST_BYTES
    kept = [number for number in range(100) if file.original(f"c{number}", CAME)]
    assert kept == list(range(100 - len(kept), 100))
    assert len(kept) > 50


async def test_what_no_prompt_needed_for_a_month_goes(tmp_path: Path) -> None:
    clock = Clock()
    await lived(tmp_path, "c1", "c2", clock=clock)
    clock.now += 20 * DAY
    words = OwnWords(file=WordsFile(tmp_path, clock))
    assert in_its_order(await sent(words, "c1")), "and so it is of use still"
    await words.aclose()
    clock.now += 20 * DAY
    await lived(tmp_path, "c3", clock=clock)
    words = OwnWords(file=WordsFile(tmp_path, clock))
    assert [in_its_order(await sent(words, call)) for call in ("c1", "c2", "c3")] == [True, False, True]


async def test_a_change_beyond_all_bounds_is_not_kept(tmp_path: Path) -> None:
    file = WordsFile(tmp_path, Clock())
    file.note("c1", CAME, {"whole": "x" * 20_000})
    await file.flush()
    assert not (tmp_path / NAME).exists()


async def test_where_nothing_can_be_written_it_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    words = OwnWords(file=WordsFile(tmp_path / "file" / "own", Clock()))
    for call in ("c1", "c2"):
        words.keep([(call, WRITTEN)])
        assert in_its_order(await sent(words, call))
        await words.aclose()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


async def test_a_pipe_in_its_place_holds_up_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    os.mkfifo(tmp_path / NAME)
    assert await sent(OwnWords(file=WordsFile(tmp_path, Clock()))) == CAME
    assert len(caplog.messages) == 1
