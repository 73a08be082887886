"""What a request is for, in the shapes of Claude Code 2.1.197."""

from typing import Any

import pytest

from anyclaude.backends.roles import is_background

TOOL = {"name": "Read", "input_schema": {"type": "object"}}
CASES: dict[str, tuple[dict[str, Any], bool]] = {
    "a title": ({"tools": []}, True),
    "a title, asked of a model of Claude's": ({"tools": [], "thinking": {"type": "disabled"}}, True),
    "a conversation": ({"tools": [TOOL], "thinking": {"type": "adaptive"}}, False),
    "a conversation without thinking": ({"tools": [TOOL]}, False),
    "a conversation without tools": ({"tools": [], "thinking": {"type": "adaptive"}}, False),
    "with a budget": ({"tools": [], "thinking": {"type": "enabled", "budget_tokens": 1024}}, False),
    "the permission classifier": ({"stop_sequences": ["</block>"]}, False),
    "one with an empty list": ({"tools": [], "stop_sequences": ["</block>"]}, False),
    "a test of a model": ({"max_tokens": 1}, False),
}


@pytest.mark.parametrize(("request_", "background"), CASES.values(), ids=CASES.keys())
def test_background(request_: dict[str, Any], background: bool) -> None:
    assert is_background(request_) is background
