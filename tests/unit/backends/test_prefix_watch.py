"""Each agent's prompt is compared with its own last one, and with nobody else's."""

from anyclaude.backends.base import Caller
from anyclaude.backends.prefix_watch import PrefixWatch
from anyclaude.convert.prefix_change import Prompt, prompt_of
from tests.support.journal import Notes

TOOLS = [{"name": "Bash", "input_schema": {"type": "object"}}]


def body(*texts: str) -> Prompt:
    return prompt_of({"messages": [{"role": "user", "content": text} for text in texts]})


async def test_a_prompt_is_compared_with_the_agents_own_last_one() -> None:
    watch, journal = PrefixWatch(), Notes()
    main, other = Caller("s", journal=journal), Caller("s", "agent-1", journal)
    request = {"tools": TOOLS}
    assert await watch.look(request, "m", body("one"), main) is None
    assert await watch.look(request, "m", body("another"), other) is None
    grown = await watch.look(request, "m", body("one", "two"), main)
    assert grown is not None
    assert grown.whole
    broken = await watch.look(request, "m", body("1", "two"), main)
    assert broken is not None
    assert broken.cause == "text"
    assert [note["cause"] for note in journal.of("prefix")] == [None, "text"]


async def test_side_requests_of_a_session_are_not_its_conversation() -> None:
    watch, caller = PrefixWatch(), Caller("s")
    await watch.look({"tools": TOOLS}, "m", body("one"), caller)
    assert await watch.look({"tools": []}, "m", body("title"), caller) is None
    assert await watch.look({"stop_sequences": ["</block>"]}, "m", body("may it?"), caller) is None
    search = [{"type": "web_search_20250305", "name": "web_search"}]
    assert await watch.look({"tools": search}, "m", body("search"), caller) is None
    change = await watch.look({"tools": TOOLS}, "m", body("one", "two"), caller)
    assert change is not None
    assert change.whole


async def test_without_a_session_nothing_is_kept() -> None:
    watch = PrefixWatch()
    assert await watch.look({}, "m", body("one"), Caller()) is None
    assert await watch.look({}, "m", body("one"), Caller()) is None


async def test_what_is_kept_is_bounded() -> None:
    watch = PrefixWatch(most_bytes=5000)
    for number in range(10):
        await watch.look({}, "m", body("x" * 1000), Caller(f"session {number}"))
    assert await watch.look({}, "m", body("x" * 1000), Caller("session 0")) is None, "the oldest has made room"
    assert await watch.look({}, "m", body("x" * 1000), Caller("session 9")) is not None
