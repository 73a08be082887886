"""Which of Claude Code's rewritings leave a call's meaning, and which inputs are really others."""

from typing import Any

import pytest

from anyclaude.convert.originals import restored, says_the_same

SAME: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"description": "List", "command": "ls"}, {"command": "ls", "description": "List"}),
    ({"command": "cd /home/me && ls"}, {"command": "ls"}),
    ({"command": 'cd "/home/my files" && ls | wc'}, {"command": "ls | wc"}),
    (
        {"file_path": "a", "old_string": "x", "new_string": "y  \nz\t"},
        {"replace_all": False, "file_path": "a", "old_string": "x", "new_string": "y\nz"},
    ),
    ({"content": "one  \ntwo\n\n", "file_path": "a"}, {"file_path": "a", "content": "one\ntwo"}),
    ({"command": "ls", "timeout": "5000"}, {"command": "ls", "timeout": 5000}),
    ({"command": "ls", "run_in_background": "true"}, {"command": "ls", "run_in_background": True}),
    ({"todos": [{"a": 1}]}, {"todos": [{"a": 1}]}),
    ({}, {}),
]

OTHERS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"command": "ls"}, {"command": "rm"}),
    ({"command": "cd /home/me; ls"}, {"command": "ls"}),
    ({"command": "cd a && rm x && ls"}, {"command": "ls"}),
    ({"file_path": "a", "old_string": "x"}, {"file_path": "a", "old_string": "x", "replace_all": True}),
    ({"command": "ls", "extra": 1}, {"command": "ls"}),
    ({"content": "  one"}, {"content": "one"}),
    ({"timeout": "5001"}, {"timeout": 5000}),
    ({"timeout": 1}, {"timeout": True}),
    ({"timeout": "five"}, {"timeout": 5}),
    ({"content": "a\n\nb"}, {"content": "a\nb"}),
]


@pytest.mark.parametrize(("original", "now"), SAME)
def test_rewritings_say_the_same(original: dict[str, Any], now: dict[str, Any]) -> None:
    assert says_the_same(original, now)


@pytest.mark.parametrize(("original", "now"), OTHERS)
def test_other_inputs_do_not(original: dict[str, Any], now: dict[str, Any]) -> None:
    assert not says_the_same(original, now)


def request(*inputs: dict[str, Any]) -> dict[str, Any]:
    calls = [{"type": "tool_use", "id": f"c{i}", "name": "Bash", "input": each} for i, each in enumerate(inputs)]
    return {"messages": [{"role": "user", "content": "go"}, {"role": "assistant", "content": calls}]}


def test_the_models_own_words_go_back_and_nothing_else_changes() -> None:
    asked = request({"command": "ls", "description": "List"}, {"command": "rm"})
    originals = {"c0": {"description": "List", "command": "ls"}, "c1": {"command": "other"}}
    back = restored(asked, lambda call, now: originals.get(call))
    written = [block["input"] for block in back["messages"][1]["content"]]
    assert list(written[0]) == ["description", "command"]
    assert written[1] == {"command": "rm"}, "what is not the same stays as the client says"
    assert asked == request({"command": "ls", "description": "List"}, {"command": "rm"})


def test_a_request_without_known_calls_is_the_very_same() -> None:
    asked = request({"command": "ls"})
    assert restored(asked, lambda call, now: None) is asked
