"""The grammar table: what it takes, what it refuses, and that it is whole."""

from collections.abc import Mapping
from typing import Any

import pytest

from anyclaude.errors import GrammarError
from anyclaude.wire.grammar import OPEN_BLOCK, TABLE, Grammar, State

START = {"type": "message_start", "message": {}}
STOP = {"type": "message_stop"}
PING = {"type": "ping"}
ERROR = {"type": "error", "error": {}}
PROGRESS = {"type": "message_delta", "delta": {"stop_reason": None}}
FINISH = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}


def opens(index: int, kind: str = "text") -> Mapping[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": {"type": kind}}


def grows(index: int, kind: str = "text_delta") -> Mapping[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind}}


def closes(index: int) -> Mapping[str, Any]:
    return {"type": "content_block_stop", "index": index}


def walk(*events: Mapping[str, Any]) -> Grammar:
    grammar = Grammar()
    for event in events:
        grammar.feed(event)
    return grammar


LEGAL = {
    "empty message": [START, FINISH, STOP],
    "text": [START, opens(0), grows(0), grows(0), closes(0), FINISH, STOP],
    "signs of life everywhere": [PING, START, PROGRESS, opens(0), PROGRESS, PING, closes(0), PING, FINISH, PING, STOP],
    "thinking, text, call": [
        *(START, opens(0, "thinking"), grows(0, "thinking_delta"), grows(0, "signature_delta"), closes(0)),
        *(opens(1), grows(1), closes(1), opens(2, "tool_use"), grows(2, "input_json_delta"), closes(2), FINISH, STOP),
    ],
    "a kind nobody knows": [START, opens(0, "container_upload"), grows(0, "new_delta"), closes(0), FINISH, STOP],
    "error at once": [ERROR],
    "error in a block": [START, opens(0), ERROR],
}

ILLEGAL = {
    "text before the message": [opens(0)],
    "two starts": [START, START],
    "delta without block": [START, grows(0)],
    "delta of another kind": [START, opens(0), grows(0, "input_json_delta")],
    "block in block": [START, opens(0), opens(1)],
    "finish in block": [START, opens(0), FINISH],
    "stop without finish": [START, STOP],
    "text after finish": [START, FINISH, opens(0)],
    "anything after stop": [START, FINISH, STOP, PING],
    "anything after error": [START, ERROR, PING],
    "index left out": [START, opens(1)],
    "delta for another block": [START, opens(0), closes(0), opens(1), grows(0)],
}


@pytest.mark.parametrize("events", LEGAL.values(), ids=LEGAL.keys())
def test_legal_streams_are_accepted(events: list[Mapping[str, Any]]) -> None:
    walk(*events).end()


@pytest.mark.parametrize("events", ILLEGAL.values(), ids=ILLEGAL.keys())
def test_illegal_streams_are_refused_at_their_last_event(events: list[Mapping[str, Any]]) -> None:
    grammar = walk(*events[:-1])
    with pytest.raises(GrammarError):
        grammar.feed(events[-1])


@pytest.mark.parametrize("events", [[], [START], [START, opens(0)], [START, FINISH]])
def test_a_stream_that_just_ends_is_refused(events: list[Mapping[str, Any]]) -> None:
    with pytest.raises(GrammarError, match="ended in state"):
        walk(*events).end()


def test_every_state_has_its_row_and_can_fail_until_it_is_over() -> None:
    assert set(TABLE) == set(State)
    over = {State.DONE, State.FAILED}
    assert {state for state in State if TABLE[state].get("error") is State.FAILED} == set(State) - over
    assert all(TABLE[state]["content_block_stop"] is State.MESSAGE for state in OPEN_BLOCK)
