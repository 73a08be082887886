"""What a request is for, in the shapes of Claude Code 2.1.197."""

from typing import Any

import pytest

from anyclaude.convert.roles import is_background, is_beside, is_small

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


def test_the_permission_classifier_is_small_too() -> None:
    small = {name for name, (request, _) in CASES.items() if is_small(request)}
    background = {name for name, (_, background) in CASES.items() if background}
    assert small == background | {"the permission classifier", "one with an empty list"}


def test_a_conversation_with_stop_sequences_is_not_small() -> None:
    assert not is_small({"tools": [TOOL], "stop_sequences": ["</block>"]})


def test_a_search_of_the_web_is_beside_the_conversation_too() -> None:
    search = {"type": "web_search_20250305", "name": "web_search"}
    assert is_beside({"tools": [search]})
    assert is_beside({"tools": []})
    assert not is_beside({"tools": [TOOL]})
    assert not is_beside({})
