"""Where two prompts part: which block, which byte."""

from typing import Any

import pytest

from anyclaude.trace.diff import parting_of
from anyclaude.trace.prompts import blocks_of


def body(system: str = "be good", tool: str = "reads", turn: str = "hello", **more: Any) -> dict[str, Any]:
    return {
        "system": [{"type": "text", "text": "first"}, {"type": "text", "text": system, **more}],
        "tools": [{"name": "Read", "description": tool}, {"name": "Bash", "description": "runs"}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": turn}]}],
    }


def test_the_same_prompt() -> None:
    assert parting_of(body(), body(cache_control={"type": "ephemeral"})) is None


@pytest.mark.parametrize(
    ("other", "block", "in_block", "shared"),
    [
        (body(system="be bad"), "system block 2", 3, 1),
        (body(tool="writes"), "tool Read", len('{"name":"Read","description":"'), 2),
        (body(turn="hello you"), "turn 1 (user) block 2", 5, 5),
    ],
)
def test_the_first_differing_byte(other: dict[str, Any], block: str, in_block: int, shared: int) -> None:
    found = parting_of(body(), other)
    assert found is not None
    assert (found.block, found.in_block, found.shared) == (block, in_block, shared)
    before = sum(len(each.text) for each in blocks_of(body())[:shared])
    assert found.byte == before + in_block


def test_bytes_are_counted_not_characters() -> None:
    found = parting_of(body(system="éa"), body(system="éb"))
    assert found is not None
    assert found.in_block == 2


def test_a_turn_more() -> None:
    longer = body()
    longer["messages"] = [*longer["messages"], {"role": "assistant", "content": "hi"}]
    found = parting_of(body(), longer)
    assert found is not None
    assert found.block == "turn 2 (assistant) block 1 (only in the second)"


def test_openai_bodies() -> None:
    def openai(arguments: str) -> dict[str, Any]:
        call = {"id": "c", "function": {"name": "Read", "arguments": arguments}}
        return {
            "messages": [
                {"role": "system", "content": "be"},
                {"role": "assistant", "content": None, "tool_calls": [call]},
            ],
            "tools": [{"type": "function", "function": {"name": "Read"}}],
        }

    found = parting_of(openai("{}"), openai("{ }"))
    assert found is not None
    assert found.block == "turn 2 (assistant) block 1"
    assert [block.label for block in blocks_of(openai(""))][:2] == ["tool Read", "turn 1 (system) block 1"]


def test_the_lines_around_it_are_few() -> None:
    text = "\n".join(f"line {number}" for number in range(5000))
    found = parting_of(body(system=text), body(system=text.replace("line 2500", "other")))
    assert found is not None
    assert "-line 2500" in found.lines
    assert "+other" in found.lines
    assert len(found.lines) < 20


@pytest.mark.parametrize("odd", [None, "text", [], {"messages": "x", "tools": {}}, {"messages": [1]}, {"tools": [1]}])
def test_what_is_no_request_has_few_blocks(odd: object) -> None:
    assert len(blocks_of(odd)) <= 1
