from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from tests.support.claude_request import SIZE, encode, messages_request
from tests.support.filler import filler


def blocks(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for message in request["messages"]:
        if isinstance(message["content"], list):
            yield from message["content"]


def without_marks(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_marks(inner) for key, inner in value.items() if key != "cache_control"}
    return [without_marks(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("size", "turns"), [(20_000, 0), (SIZE, 0), (SIZE, 9), (300_000, 0), (300_000, 9)])
def test_it_has_exactly_the_wanted_size_and_is_the_same_each_time(size: int, turns: int) -> None:
    body = encode(messages_request(size=size, turns=turns))
    assert len(body) == size
    assert body == encode(messages_request(size=size, turns=turns))
    assert body != encode(messages_request(size=size, turns=turns, seed=2))


def test_it_refuses_a_size_that_the_structure_does_not_fit() -> None:
    with pytest.raises(ValueError, match=r"25 tools and 0 turns need at least \d+ bytes, not 500"):
        messages_request(size=500)


def test_it_has_the_shape_of_a_first_turn() -> None:
    request = messages_request()
    assert list(request) == [
        *("model", "messages", "system", "tools", "metadata", "max_tokens", "thinking"),
        *("context_management", "output_config", "stream"),
    ]
    assert [message["role"] for message in request["messages"]] == ["user", "system"]
    assert isinstance(request["messages"][1]["content"], str)
    assert request["system"][0]["text"].startswith("x-anthropic-billing-header: ")
    assert ["cache_control" in block for block in request["system"]] == [False, True, True]
    assert len(request["tools"]) == 25
    assert set(orjson.loads(request["metadata"]["user_id"])) == {"device_id", "account_uuid", "session_id"}


def test_tools_are_sorted_with_those_of_mcp_servers_last() -> None:
    names = [tool["name"] for tool in messages_request(size=None, tools=27)["tools"]]
    assert names[:-2] == sorted(names[:-2])
    assert names[-2:] == ["mcp__shelf__tool_000", "mcp__shelf__tool_001"]
    assert [tool["name"] for tool in messages_request(size=None, tools=2)["tools"]] == ["Bash", "Read"]
    assert messages_request(size=None, tools=0)["tools"] == []


def test_every_call_has_one_result_in_the_next_message() -> None:
    messages = messages_request(turns=9)["messages"][2:]
    for call_message, result_message in zip(messages[::2], messages[1::2], strict=True):
        calls = [block["id"] for block in call_message["content"] if block["type"] == "tool_use"]
        results = [block["tool_use_id"] for block in result_message["content"]]
        assert calls == results[::-1]
    ids = [block["id"] for block in blocks(messages_request(turns=9)) if block["type"] == "tool_use"]
    assert len(set(ids)) == len(ids) == 12


def test_the_cache_mark_is_on_the_last_block_that_is_not_of_the_system() -> None:
    for turns in (0, 1, 4):
        marked = [block for block in blocks(messages_request(turns=turns)) if "cache_control" in block]
        assert marked == [list(blocks(messages_request(turns=turns)))[-1]]


def test_a_growing_session_keeps_its_beginning() -> None:
    shorter, longer = (without_marks(messages_request(size=None, turns=turns)) for turns in (4, 5))
    assert longer["messages"][: len(shorter["messages"])] == shorter["messages"]
    assert {**longer, "messages": None} == {**shorter, "messages": None}


def test_filler_counts_the_bytes_of_its_json_form() -> None:
    for size in (0, 1, 57, 4_000):
        assert len(orjson.dumps(filler(size, "a"))) - 2 == size
    assert not filler(4_000, "a").isascii()
