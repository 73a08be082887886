"""Generates histories of Messages conversations, well-formed and broken, and says what is wrong with a chat.

A history is a list of messages as Claude Code sends them, at its worst: results as they were finished, late,
doubled or missing, ids used again, `system` among the messages, messages of one role in a row, blocks that are
empty or unknown. `faults` is the other end: the order that the strictest chat templates ask for.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import orjson
from hypothesis import strategies as st

Message = dict[str, Any]
Block = dict[str, Any]

TEXTS = st.one_of(st.sampled_from(["", "hi", "hi\n", "\nthere", " ", "Error: no"]), st.text(max_size=12))
_IDS = st.sampled_from(["toolu_1", "toolu_2", "toolu_3", "toolu_1_2", "call_0", ""])
_NAMES = st.sampled_from(["Bash", "Read", "mcp__demo__get_image", ""])
_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)
_INPUTS = st.one_of(
    st.dictionaries(st.sampled_from(["command", "timeout", "a"]), _JSON, max_size=3),
    st.sampled_from(['{"a": 1}', "[1]", "{command: x}", ""]),
    st.lists(st.integers(0, 9), max_size=2),
    st.builds(lambda raw: {"__unparsedToolInput": {"raw": raw, "len": len(raw)}}, TEXTS),
)

_TEXT_BLOCKS = st.builds(lambda text: {"type": "text", "text": text}, TEXTS)
_IMAGES: st.SearchStrategy[Block] = st.sampled_from(
    [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0K"}},
        {"type": "image", "source": {"type": "url", "url": "https://example.test/a.png"}},
        {"type": "image", "source": {"type": "file", "file_id": "f1"}},
        {"type": "image"},
    ]
)
_ODD_BLOCKS: st.SearchStrategy[Block] = st.sampled_from(
    [
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "notes"}},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}},
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"type": "web_search_result"}]},
        {"type": "hologram", "depth": 3},
        {"type": "hologram", "content": [None, 1, {"type": "text", "text": 2}]},
    ]
)
_THINKING = st.one_of(
    st.builds(lambda text: {"type": "thinking", "thinking": text, "signature": ""}, TEXTS),
    st.just({"type": "redacted_thinking", "data": "AAAA"}),
)
_TOOL_USES = st.builds(
    lambda id_, name, arguments: {"type": "tool_use", "id": id_, "name": name, "input": arguments},
    _IDS,
    _NAMES,
    _INPUTS,
)
_RESULT_BLOCKS = st.one_of(_TEXT_BLOCKS, _IMAGES, _ODD_BLOCKS, st.just({"type": "tool_reference", "tool_name": "Bash"}))
_RESULTS = st.builds(
    lambda id_, content, extra: {"type": "tool_result", "tool_use_id": id_, **content, **extra},
    _IDS,
    st.one_of(
        st.just({}),
        st.builds(lambda text: {"content": text}, TEXTS),
        st.builds(lambda blocks: {"content": blocks}, st.lists(_RESULT_BLOCKS, max_size=3)),
    ),
    st.sampled_from([{}, {"is_error": False}, {"is_error": True}]),
)


def _said(role: str, *blocks: st.SearchStrategy[Block]) -> st.SearchStrategy[Message]:
    contents = st.one_of(TEXTS, st.lists(st.one_of(*blocks), max_size=4))
    return st.builds(lambda content: {"role": role, "content": content}, contents)


_USERS = _said("user", _TEXT_BLOCKS, _IMAGES, _ODD_BLOCKS, _RESULTS, _RESULTS)
_ASSISTANTS = _said("assistant", _TEXT_BLOCKS, _THINKING, _ODD_BLOCKS, _TOOL_USES, _TOOL_USES)
_SYSTEMS = _said("system", _TEXT_BLOCKS)

HISTORIES: st.SearchStrategy[list[Message]] = st.lists(
    st.one_of(_USERS, _ASSISTANTS, _SYSTEMS), min_size=1, max_size=10
)
"""Any history that Claude Code or something worse can send, in no particular order."""


@st.composite
def sessions(draw: st.DrawFn) -> list[Message]:
    """A history as a session has it: every call answered at once, in any order, and ready for the assistant."""
    messages: list[Message] = []
    for turn in range(draw(st.integers(1, 4))):
        if turn:
            messages.append(_answer(draw, turn))
        messages.append(_question(draw, messages[-1:]))
        if draw(st.booleans()):
            messages.append({"role": "system", "content": draw(TEXTS.filter(bool))})
    return messages


def _answer(draw: st.DrawFn, turn: int) -> Message:
    text = [{"type": "text", "text": draw(TEXTS)}]
    calls = [
        {"type": "tool_use", "id": f"toolu_{turn}_{number}", "name": "Bash", "input": {"command": draw(TEXTS)}}
        for number in range(draw(st.integers(0, 3)))
    ]
    return {"role": "assistant", "content": text + calls}


def _question(draw: st.DrawFn, before: Sequence[Message]) -> Message:
    calls = [block["id"] for message in before for block in message["content"] if block["type"] == "tool_use"]
    results = [
        {"type": "tool_result", "tool_use_id": id_, "content": draw(TEXTS)} for id_ in draw(st.permutations(calls))
    ]
    texts = draw(st.lists(_TEXT_BLOCKS.filter(lambda block: block["text"]), min_size=0 if results else 1, max_size=2))
    return {"role": "user", "content": results + texts}


@st.composite
def rewritten(draw: st.DrawFn, history: Sequence[Message]) -> list[Message]:
    """The same history as a later request of Claude Code writes it: marks moved, one text block or a string."""
    return [_rewritten(draw, message) for message in history]


def _rewritten(draw: st.DrawFn, message: Message) -> Message:
    content = message["content"]
    if isinstance(content, str):
        return {**message, "content": [{"type": "text", "text": content}]} if draw(st.booleans()) else message
    if [block["type"] for block in content] == ["text"] and draw(st.booleans()):
        return {**message, "content": content[0]["text"]}
    marked = [block | draw(st.sampled_from([{}, {"cache_control": {"type": "ephemeral"}}])) for block in content]
    return {"content": marked} | message | {"content": marked}


def faults(chat: Sequence[Message]) -> Iterator[str]:
    """What the strictest server or chat template would refuse in these chat messages. Nothing, if all is well."""
    roles = [message["role"] for message in chat]
    if "system" in roles[1:]:
        yield "a system message that is not the first"
    spoken = [role for role in roles if role in ("user", "assistant")]
    if spoken[:1] != ["user"]:
        yield "the user does not speak first"
    yield from _order_faults(chat)
    for message in chat:
        yield from _content_faults(message)


def _order_faults(chat: Sequence[Message]) -> Iterator[str]:
    ids: list[str] = []
    waiting: list[str] = []
    for before, message in pairwise([{"role": "system"}, *chat]):
        role = message["role"]
        if role == "tool":
            if waiting[:1] != [message["tool_call_id"]]:
                yield "a result that is not the next call's"
            waiting = waiting[1:]
        elif waiting:
            yield "a call without its result"
        elif role == before["role"]:
            yield f"two {role} messages in a row"
        if role == "assistant":
            waiting = [call["id"] for call in message.get("tool_calls", ())]
            ids += waiting
    if len(ids) != len(set(ids)):
        yield "an id that stands for two calls"


def _content_faults(message: Message) -> Iterator[str]:
    content = message["content"]
    if isinstance(content, list):
        if message["role"] != "user" or not any(part["type"] == "image_url" for part in content):
            yield "parts where a string would do"
    elif not content and "tool_calls" not in message and len(message) == 2:
        yield "nothing said"
    for call in message.get("tool_calls", ()):
        if not isinstance(orjson.loads(call["function"]["arguments"]), dict):
            yield "arguments that are no JSON object"
        if not call["id"] or not call["function"]["name"]:
            yield "a call without id or name"
