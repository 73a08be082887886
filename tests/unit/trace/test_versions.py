"""What came, went and changed between two system prompts with their tools."""

from typing import Any

import pytest

from anyclaude.trace.versions import versions

SYSTEM = "You help.\n# Tone\nBrief.\n# Tasks\nPlan.\n## Care\nLook twice."
OWN = "# Environment\n- Primary working directory: /a"


def body(system: Any = SYSTEM, **tools: str) -> dict[str, Any]:
    listed = [{"name": name, "description": words, "input_schema": {"type": "object"}} for name, words in tools.items()]
    return {"system": [{"type": "text", "text": system}], "tools": listed}


def brief(first: object, second: object, **more: Any) -> list[tuple[str, str, str]]:
    return [(each.part, each.name, each.how) for each in versions(first, second, **more)]


def test_sections_and_tools_by_name() -> None:
    after = SYSTEM.replace("Brief.", "Long.").replace("## Care\nLook twice.", "## Risk\nNone.")
    found = brief(body(after, Read="reads", Edit="edits"), body(SYSTEM, Read="reads", Bash="runs"))
    assert found == [
        ("system", "Tone", "changed"),
        ("system", "Tasks > Risk", "went"),
        ("tool", "Edit", "went"),
        ("system", "Tasks > Care", "came"),
        ("tool", "Bash", "came"),
    ]


def test_the_difference_and_its_bounds() -> None:
    long = "\n".join(str(number) for number in range(1000))
    (changed,) = versions(body(Read=long), body(Read=long.replace("500", "5OO")))
    assert {"-500", "+5OO", " 499"} <= set(changed.lines)
    assert (changed.cut, changed.before - changed.after) == (False, 0)
    (came,) = versions(body(), body(Read=long), most_lines=10)
    assert (came.lines[:2], len(came.lines), came.cut, came.before) == (("+0", "+1"), 10, True, 0)


def test_what_moved_did_not_change() -> None:
    assert versions(body(), body("You help.\n# Tasks\nPlan.\n## Care\nLook twice.\n# Tone\nBrief.\n")) == []


def test_openai_shape_is_the_same_prompt() -> None:
    function = {"name": "Read", "description": "reads", "parameters": {"type": "object"}}
    openai = {
        "messages": [{"role": "system", "content": SYSTEM}],
        "tools": [{"type": "function", "function": function}],
    }
    assert versions(body(Read="reads"), openai) == []


def test_what_belongs_to_a_session() -> None:
    one, other = body(f"{SYSTEM}\n{OWN}"), body(f"{SYSTEM}\n{OWN.replace('/a', '/b')}")
    assert brief(one, other) == [("system", "Environment", "changed")]
    assert brief(one, other, with_session=False) == []


def test_headings_that_come_twice() -> None:
    assert brief(body("# A\n1\n# A\n2"), body("# A\n1\n# A\n3")) == [("system", "A (2)", "changed")]


@pytest.mark.parametrize("odd", [None, 3, [], {"tools": [3, {}], "system": 3}, {"messages": [3, {"role": "system"}]}])
def test_what_is_no_request(odd: object) -> None:
    assert versions(odd, odd) == []
    assert versions(odd, body(Read="reads"))
