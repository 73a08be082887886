"""The system of a request as texts, and put together again."""

from typing import Any

from anyclaude.prompt.blocks import replaced, texts

MARK = {"type": "ephemeral"}


def block(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": text, **more}


def test_only_texts_are_read() -> None:
    assert texts("a") == ["a"]
    assert texts([block("a"), {"type": "image"}, 4, {"type": "text"}, block("b")]) == ["a", "b"]
    assert texts(None) == texts({"a": 1}) == []


def test_what_stays_is_the_same_block_and_what_changes_keeps_its_keys() -> None:
    system = [block("a", x=1), {"type": "image"}, block("b", cache_control=MARK)]
    new = replaced(system, {0: "a", 1: "c"})
    assert new[0] is system[0]
    assert new[1] is system[1]
    assert new[2] == block("c", cache_control=MARK)
    assert system[2]["text"] == "b"


def test_a_lost_block_hands_its_mark_on() -> None:
    lost = block("b", cache_control=MARK)
    assert replaced([block("a"), lost], {0: "a"}) == [block("a", cache_control=MARK)]
    own = block("a", cache_control={"type": "ephemeral", "ttl": "1h"})
    assert replaced([own, lost], {0: "a"}) == [own]
    assert replaced([lost, block("a")], {1: "a"}) == [block("a")]


def test_a_string_stays_a_string() -> None:
    assert replaced("a", {0: "b"}) == "b"
    assert replaced("a", {}) == ""
