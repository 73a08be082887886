"""What a prompt keeps of the last one, and the name of what broke it."""

from typing import Any

import pytest

from anyclaude.convert.prefix_change import prefix_change, prompt_of
from anyclaude.convert.profile import Profile
from anyclaude.convert.request import convert_request

SYSTEM = "You help.\n# Environment\nPlatform: linux\ngitStatus: x\nOn branch main\n# Date\nToday is 2026-11-22"


def tool(name: str, words: str = "does it") -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "description": words, "parameters": {"type": "object"}}}


def call(arguments: str) -> dict[str, Any]:
    function = {"name": "Bash", "arguments": arguments}
    return {"role": "assistant", "content": "", "tool_calls": [{"id": "c1", "type": "function", "function": function}]}


BEFORE: dict[str, Any] = {
    "tools": [tool("Bash"), tool("Read")],
    "messages": [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": "Today's date is 2026-11-22.\nList the files."},
        call('{"command":"ls"}'),
        {"role": "tool", "tool_call_id": "c1", "content": "a.txt"},
    ],
}


def with_message(number: int, message: dict[str, Any]) -> dict[str, Any]:
    messages = [*BEFORE["messages"][:number], message, *BEFORE["messages"][number + 1 :]]
    return {**BEFORE, "messages": [*messages, {"role": "assistant", "content": "One."}]}


def system(old: str, new: str) -> dict[str, Any]:
    return with_message(0, {"role": "system", "content": SYSTEM.replace(old, new)})


CHANGES = [
    ({**BEFORE, "tools": [*BEFORE["tools"], tool("mcp__demo__look")]}, "tool added", "tools: mcp__demo__look"),
    ({**BEFORE, "tools": BEFORE["tools"][:1]}, "tool removed", "tools: Read"),
    ({**BEFORE, "tools": BEFORE["tools"][::-1]}, "tools reordered", "tools"),
    ({**BEFORE, "tools": [tool("Bash", "other words"), tool("Read")]}, "tool changed", "tools: Bash"),
    (system("You help.", "x-anthropic-billing-header: cc_version=1"), "attribution", "message 0 (system)"),
    (system("On branch main", "On branch next"), "git status", "message 0 (system)"),
    (system("Platform: linux", "Platform: darwin"), "environment", "message 0 (system)"),
    (system("Today is 2026-11-22", "Today is 2026-11-23"), "date", "message 0 (system)"),
    (system("You help.", "You are model X."), "model name", "message 0 (system)"),
    (system("You help.", "You hinder."), "system prompt", "message 0 (system)"),
    (system("You help.", "You  help.\n"), "white space", "message 0 (system)"),
    (
        with_message(1, {"role": "user", "content": "Today's date is 2026-11-23.\nList the files."}),
        "date",
        "message 1 (user)",
    ),
    (with_message(2, call('{"command":"ls","description":"List"}')), "tool arguments", "message 2 (assistant)"),
    (with_message(2, {**call('{"command":"ls"}'), "reasoning_content": "Hm."}), "thinking", "message 2 (assistant)"),
    (
        with_message(3, {"role": "tool", "tool_call_id": "c1", "content": "b.txt"}),
        "tool result",
        "message 3 (tool)",
    ),
    (with_message(3, {"role": "user", "content": "a.txt"}), "role", "message 3 (user)"),
    (
        with_message(1, {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}),
        "image",
        "message 1 (user)",
    ),
    ({**BEFORE, "messages": BEFORE["messages"][:2]}, "history shortened", "after message 2 of 4"),
    (
        {**BEFORE, "messages": [BEFORE["messages"][0], {"role": "user", "content": "A summary."}]},
        "history shortened",
        "message 1 (user)",
    ),
]


@pytest.mark.parametrize(("now", "cause", "block"), CHANGES, ids=[f"{cause}-{block}" for _, cause, block in CHANGES])
def test_what_broke_a_prompt_is_named(now: dict[str, Any], cause: str, block: str) -> None:
    change = prefix_change(prompt_of(BEFORE), prompt_of(now))
    assert (change.cause, change.block) == (cause, block)
    assert not change.whole
    assert 0 <= change.kept < change.before


def test_a_conversation_that_grows_keeps_everything() -> None:
    grown = {**BEFORE, "messages": [*BEFORE["messages"], {"role": "assistant", "content": "One file."}]}
    change = prefix_change(prompt_of(BEFORE), prompt_of(grown))
    assert change.whole
    assert change.kept == change.before


def test_more_is_kept_the_later_the_change() -> None:
    early, late = system("You help.", "You hinder."), with_message(3, {"role": "tool", "content": "other"})
    before = prompt_of(BEFORE)
    assert prefix_change(before, prompt_of(early)).kept < prefix_change(before, prompt_of(late)).kept


CONVERSATION: list[dict[str, Any]] = [
    {"role": "user", "content": [{"type": "text", "text": "List the files."}]},
    {"role": "system", "content": "A reminder."},
    {
        "role": "assistant",
        "content": [{"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "ls"}}],
    },
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "a.txt"}]},
    {"role": "assistant", "content": "One file."},
    {"role": "user", "content": "Say hi"},
]


@pytest.mark.parametrize("turns", [2, 4, 6])
@pytest.mark.parametrize("last", ["Say hi", "Say hi\n", [{"type": "text", "text": "Say hi"}]])
def test_what_claude_code_rewrites_breaks_nothing(turns: int, last: object) -> None:
    """Marks that move, one-block lists that become strings, a line break at a seam (claude-code 2.1.197)."""
    before = _body(_marked(CONVERSATION[:turns]), "a1")
    now = _body([*CONVERSATION[:-1], {"role": "user", "content": last}, {"role": "user", "content": "More"}], "b2")
    assert prefix_change(prompt_of(before), prompt_of(now)).whole


def _body(messages: list[dict[str, Any]], header: str) -> dict[str, Any]:
    system = [{"type": "text", "text": f"x-anthropic-billing-header: {header}"}, {"type": "text", "text": "Help."}]
    return convert_request({"model": "m", "max_tokens": 9, "system": system, "messages": messages}, Profile(), "m")


def _marked(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """With the mark of a cache on the last block of the last message of the user."""
    at = max(i for i, message in enumerate(messages) if message["role"] == "user")
    content = messages[at]["content"]
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    marked = [*blocks[:-1], {**blocks[-1], "cache_control": {"type": "ephemeral"}}]
    return [*messages[:at], {**messages[at], "content": marked}, *messages[at + 1 :]]
