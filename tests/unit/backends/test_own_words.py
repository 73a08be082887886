"""What models wrote is kept within a bound, the latest longest."""

from typing import Any

from anyclaude.backends.own_words import OwnWords


def request(call: str, **written: Any) -> dict[str, Any]:
    block = {"type": "tool_use", "id": call, "name": "Bash", "input": written}
    return {"messages": [{"role": "assistant", "content": [block]}]}


async def order(words: OwnWords, call: str) -> list[str]:
    sent = await words.restored(request(call, a=1, b=2))
    return list(sent["messages"][0]["content"][0]["input"])


async def test_the_order_of_the_model_comes_back() -> None:
    words = OwnWords()
    words.keep([("c1", '{"b": 2, "a": 1}'), ("broken", "{"), ("list", "[]")])
    assert await order(words, "c1") == ["b", "a"]
    assert await order(words, "broken") == ["a", "b"]
    words.keep([("c1", '{"a": 7}')])
    assert await order(words, "c1") == ["a", "b"], "the id now stands for another call"


async def test_the_oldest_makes_room() -> None:
    words = OwnWords(most_bytes=40)
    for number in range(4):
        words.keep([(f"c{number}", '{"b": 2, "a": 1}')])
    assert [(await order(words, f"c{number}"))[0] for number in range(4)] == ["a", "a", "b", "b"]
