from dataclasses import replace

from anyclaude.trace.turn import Turn, turn_of
from anyclaude.viewer.threads import key_of, threads

_TURN = turn_of({"request": {}}, "lmstudio/trace-20261120-120000-000-x.json", 0.0)


def _turn(number: int, role: str = "main", agent: str = "", parent: str = "") -> Turn:
    return replace(_TURN, id=str(number), role=role, agent=agent, parent=parent, opening=f"task {number}")


def test_agents_are_numbered_as_they_come_and_what_is_beside_stands_last() -> None:
    turns = [
        _turn(1, "background"),
        _turn(2, "subagent", "zz"),
        _turn(3),
        _turn(4, "subagent", "aa", parent="zz"),
        _turn(5, "classifier", "aa"),
        _turn(6, "subagent", "zz"),
    ]
    found = threads(turns)
    assert [thread.name for thread in found] == [
        "main",
        "subagent 1",
        "subagent 2 of 1",
        "titles, summaries",
        "permission checks",
    ]
    assert [turn.id for turn in found[1].turns] == ["2", "6"]
    assert found[1].about == "task 2"
    assert all(turn in thread.turns for thread in found for turn in turns if key_of(turn) == thread.key)
