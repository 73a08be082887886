"""A model that sees tells one that does not what is in an image, once for each image."""

import asyncio
from collections.abc import Mapping
from typing import Any

from anyclaude.backends.base import Caller
from anyclaude.backends.router import Router
from anyclaude.backends.scripted import HELLO, ScriptedBackend
from anyclaude.config.routes import Routes, Target
from anyclaude.errors import UpstreamBroken, UpstreamTimeout
from anyclaude.wire.events import Failed, Finished, ModelEvent, TextDelta, ThinkingDelta
from tests.support.journal import Notes

IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0K"}}
RED: list[ModelEvent] = [TextDelta("A red "), TextDelta("square."), Finished("end_turn")]


class Blind(ScriptedBackend):
    def sees(self, model: str | None) -> bool:
        return False


def request(*blocks: Mapping[str, Any]) -> dict[str, Any]:
    return {"model": "m", "max_tokens": 8, "messages": [{"role": "user", "content": list(blocks)}]}


async def ask(router: Router, asked: Mapping[str, Any], journal: Notes | None = None) -> None:
    async with router.stream(asked, Caller(journal=journal or Notes())) as batches:
        async for _ in batches:
            pass


def pair(near: ScriptedBackend, far: ScriptedBackend) -> Router:
    return Router({"lmstudio": near, "openrouter": far}, Routes(Target("lmstudio"), vision=Target("openrouter", "eye")))


async def test_words_stand_where_the_image_was_wherever_that_is() -> None:
    blind, seeing = Blind(), ScriptedBackend([RED])
    router = pair(blind, seeing)
    result = {"type": "tool_result", "tool_use_id": "1", "content": [IMAGE]}
    for _ in range(2):
        await ask(router, request({"type": "text", "text": "What is it?"}, IMAGE, result))
    question, words, read = blind.requests[0]["messages"][0]["content"]
    assert question["text"] == "What is it?"
    assert words == {"type": "text", "text": "[image, as openrouter:eye describes it:]\nA red square."}
    assert read["content"] == [words]
    assert blind.requests[1]["messages"] == blind.requests[0]["messages"], "the prompt stays the same"
    assert len(seeing.requests) == 1, "each image is described once"
    assert seeing.models_asked == ["eye"]
    assert seeing.requests[0]["messages"][0]["content"][0] == IMAGE


async def test_a_model_that_sees_gets_the_image() -> None:
    near, seeing = ScriptedBackend(), ScriptedBackend([RED])
    await ask(pair(near, seeing), request(IMAGE))
    assert near.requests[0]["messages"][0]["content"] == [IMAGE]
    assert seeing.requests == []


async def test_where_nobody_describes_it_the_turn_goes_on() -> None:
    journal = Notes()
    for broken in (
        ScriptedBackend(refusal=UpstreamBroken("gone")),
        ScriptedBackend([[Failed(UpstreamBroken("gone"))]]),
        ScriptedBackend([[ThinkingDelta("A square?"), TextDelta(" \n"), Finished("max_tokens")]]),
    ):
        blind = Blind()
        router = pair(blind, broken)
        await ask(router, request(IMAGE), journal)
        assert "did not describe it" in blind.requests[0]["messages"][0]["content"][0]["text"]
        broken.refusal, broken.steps = None, [RED]
        await ask(router, request(IMAGE))
        assert "A red square." in blind.requests[1]["messages"][0]["content"][0]["text"], "the next turn asks again"
    said = [note["said"].removeprefix("openrouter:eye did not describe an image: ") for note in journal.of("warning")]
    assert said == ["gone", "gone", "it said nothing, or thought to the end of what it may write"]


async def test_without_a_model_that_sees_nothing_changes() -> None:
    blind = Blind(HELLO)
    await ask(Router({"lmstudio": blind}, Routes(Target("lmstudio"))), request(IMAGE))
    assert blind.requests[0]["messages"][0]["content"] == [IMAGE]


async def test_a_model_that_does_not_see_either_is_not_asked() -> None:
    near, eye, journal = Blind(), Blind([RED]), Notes()
    await ask(pair(near, eye), request(IMAGE), journal)
    assert eye.requests == []
    assert "did not describe it" in near.requests[0]["messages"][0]["content"][0]["text"]
    assert "takes no images itself" in journal.of("warning")[0]["said"]


async def test_one_that_is_silent_is_asked_for_one_image_of_a_turn() -> None:
    others = [{"type": "image", "source": {"type": "url", "url": f"https://{letter}.example"}} for letter in "abc"]
    near, eye = Blind(), ScriptedBackend(refusal=UpstreamTimeout("silent"))
    await ask(pair(near, eye), request(*others))
    assert len(eye.requests) == 1
    assert [block["type"] for block in near.requests[0]["messages"][0]["content"]] == ["text"] * 3


async def test_a_description_has_an_end_and_no_control_characters() -> None:
    near, eye = (
        Blind(),
        ScriptedBackend([[TextDelta("\x1b[2Ja\tb\n\x00")], *([TextDelta("x" * 1000)] for _ in range(1000))]),
    )
    await ask(pair(near, eye), request(IMAGE))
    words = near.requests[0]["messages"][0]["content"][0]["text"]
    assert words.partition("\n")[2].startswith("[2Ja\tb\nxxx")
    assert len(words) < 21_000


async def test_two_who_ask_at_once_wait_for_one_description_and_the_first_may_leave() -> None:
    go = asyncio.Event()
    blind, seeing = Blind(), ScriptedBackend([go, RED])
    router = pair(blind, seeing)
    first, second = (asyncio.create_task(ask(router, request(IMAGE))) for _ in range(2))
    await seeing.accepted.wait()
    first.cancel()
    await asyncio.wait([first])
    assert not seeing.left.is_set()
    go.set()
    await second
    assert len(seeing.requests) == len(blind.requests) == 1
    assert "A red square." in blind.requests[0]["messages"][0]["content"][0]["text"]


async def test_a_description_that_nobody_waits_for_any_more_is_ended() -> None:
    seeing = ScriptedBackend([asyncio.Event()])
    asking = asyncio.create_task(ask(pair(Blind(), seeing), request(IMAGE)))
    await seeing.accepted.wait()
    asking.cancel()
    await asyncio.wait([asking])
    assert seeing.left.is_set()
