from typing import Any

import orjson

from anyclaude.convert.profile import Profile
from anyclaude.convert.request import convert_request
from tests.support.claude_request import messages_request

MARK = {"cache_control": {"type": "ephemeral"}}
ASK: dict[str, Any] = {
    "model": "m",
    "max_tokens": 9,
    "system": "Be brief.",
    "messages": [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "1"},
        {"role": "user", "content": "two"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "Bash", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "done"}]},
    ],
}


def marked(most: int, ask: dict[str, Any] = ASK) -> list[int]:
    messages = convert_request(ask, Profile(cache_breakpoints=most), "m")["messages"]
    return [place for place, message in enumerate(messages) if "cache_control" in str(message)]


def test_marks_stand_after_the_system_prompt_and_the_last_two_turns() -> None:
    assert marked(4) == [0, 3, 5]
    assert marked(2) == [0, 5]
    assert marked(1) == [0]
    assert marked(4, {**ASK, "system": None}) == [2, 4]


def test_a_mark_is_on_the_last_part() -> None:
    message = convert_request(ASK, Profile(cache_breakpoints=4), "m")["messages"][-1]
    assert message == {"role": "tool", "tool_call_id": "t", "content": [{"type": "text", "text": "done"} | MARK]}


def test_without_them_nothing_changes_and_with_them_only_the_marks_do() -> None:
    request = messages_request(size=None, turns=3)
    plain = convert_request(request, Profile(), "m")
    assert b"cache_control" not in orjson.dumps(plain)
    bare = convert_request(request, Profile(cache_breakpoints=4), "m")
    assert [_text(message) for message in bare["messages"]] == [_text(message) for message in plain["messages"]]
    assert bare | {"messages": 0} == plain | {"messages": 0}


def _text(message: dict[str, Any]) -> Any:
    content = message["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
