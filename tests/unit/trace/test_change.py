"""What broke a prompt, in words."""

from typing import Any

import pytest

from anyclaude.trace.change import change
from tests.support.records import assistant, result, user

SYSTEM = "You help.\n\n# Tone\nBrief.\n\n# Environment\nmacOS\n\ngitStatus: on main\nclean"
TOOLS = ("Bash", "Read", "Write")


def body(system: str = SYSTEM, tools: Any = TOOLS, turns: Any = ("hi",), **more: Any) -> dict[str, Any]:
    """turns: what the user and the model said, in turn."""
    said = [(assistant if number % 2 else user)(each) for number, each in enumerate(turns)]
    return {
        "system": [{"type": "text", "text": system}],
        "tools": [_tool(each) for each in tools],
        "messages": said,
        **more,
    }


def openai(system: str = SYSTEM, tools: Any = TOOLS, turns: Any = ("hi",)) -> dict[str, Any]:
    asked = body("", tools, turns)
    listed = [{"type": "function", "function": tool} for tool in asked["tools"]]
    return {"messages": [{"role": "system", "content": system}, *asked["messages"]], "tools": listed}


def _tool(name: str) -> dict[str, Any]:
    name, _, words = name.partition(":")
    return {"name": name, "description": words}


@pytest.mark.parametrize("shape", [body, openai])
@pytest.mark.parametrize(
    ("other", "what"),
    [
        ({"system": SYSTEM.replace("clean", "M a.py")}, "`gitStatus` of the system prompt changed"),
        ({"system": SYSTEM.replace("Brief.", "Long.")}, "`Tone` of the system prompt changed"),
        ({"system": SYSTEM.replace("help", "fight")}, "the system prompt changed"),
        ({"tools": ("Bash", "Edit", "Read", "Write")}, "tool Edit came"),
        ({"tools": (*TOOLS, "A", "B", "C", "D")}, "tools A, B, C and 1 more came"),
        ({"tools": ("Bash", "Write")}, "tool Read went"),
        ({"tools": ()}, "tools Bash, Read, Write went"),
        ({"tools": ("Bash", "Read:other words", "Write")}, "tool Read changed"),
        ({"tools": ("Bash", "Write", "Read")}, "the tools are in another order from tool Read on"),
    ],
)
def test_what_changed(shape: Any, other: dict[str, Any], what: str) -> None:
    found = change(shape(turns=("hi", "yes?")), shape(turns=("hi", "yes?"), **other))
    assert found is not None
    assert found.what == what


def test_the_history() -> None:
    before = body(turns=("one", "two", "three"))
    shorter, other = change(before, body(turns=("one",))), change(before, body(turns=("one", "TWO", "three", "four")))
    assert (shorter and shorter.what, other and other.what) == (
        "the history became shorter",
        "turn 2 (assistant) block 1 changed",
    )
    assert other is not None
    assert {"-two", "+TWO"} <= set(other.parting.lines)


@pytest.mark.parametrize("shape", [body, openai])
def test_what_is_new_at_the_end_is_no_change(shape: Any) -> None:
    before = shape(turns=("one",))
    assert change(before, before) is None
    assert change(before, shape(turns=("one", "two", "three"))) is None
    assert change(before, shape(turns=("one\n\nand more",))) is None


def test_a_longer_text_in_the_middle_is_a_change() -> None:
    assert change(body(turns=("one", "two")), body(turns=("one and more", "two"))) is not None
    assert change(body(system="a", turns=()), body(system="ab", turns=())) is not None


def test_breakpoints_of_the_cache_are_no_change() -> None:
    one, other = body(), body()
    other["messages"] = [user({"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}})]
    assert change(one, other) is None


def test_another_kind_of_block() -> None:
    before, now = body(turns=()), body(turns=())
    before["messages"], now["messages"] = [user("a"), user("b")], [user("a", result("x", "1"))]
    found = change(before, now)
    assert found is not None
    assert found.what == "turn 1 (user) block 2 stands where turn 2 (user) block 1 was"


def test_names_cannot_steer_a_terminal() -> None:
    found = change(body(tools=("a",)), body(tools=("a", "b\x1b[2J\n`c`")))
    assert found is not None
    assert found.what == "tool b[2J `c` came"


@pytest.mark.parametrize("odd", [None, 3, [], {}, {"messages": 3, "tools": "x", "system": {}}])
def test_what_is_no_request(odd: object) -> None:
    assert change(odd, odd) is None
    change(body(), odd)
    change(odd, body())
