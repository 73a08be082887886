"""Generates histories of Messages conversations, well-formed and broken, and says what is wrong with a chat.

A history is a list of messages as Claude Code sends them, at its worst: results as they were finished, late,
doubled or missing, ids used again, `system` among the messages, messages of one role in a row, blocks that are
empty or unknown. `faults` is the other end: the order that the strictest chat templates ask for.
"""

from collections.abc import Iterable, Iterator, Sequence
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
_USER_BLOCKS = st.one_of(_TEXT_BLOCKS, _IMAGES, _ODD_BLOCKS)
_ASSISTANT_BLOCKS = st.one_of(_TEXT_BLOCKS, _THINKING, _ODD_BLOCKS, _TOOL_USES)
_NEXT_ROLES = {
    "user": ("assistant", "assistant", "assistant", "user", "system"),
    "assistant": ("user", "user", "user", "user", "system", "assistant"),
    "system": ("assistant", "assistant", "user", "system"),
}


@st.composite
def histories(draw: st.DrawFn) -> list[Message]:
    """A history that breaks any rule now and then, but is a conversation with calls and results at heart."""
    messages: list[Message] = []
    role = draw(st.sampled_from(["user", "user", "assistant", "system"]))
    for _ in range(draw(st.sampled_from([8, 6, 4, 3, 2, 1]))):
        messages.append({"role": role, "content": _content(draw, role, messages[-1:])})
        role = draw(st.sampled_from(_NEXT_ROLES[role]))
    return messages


def _content(draw: st.DrawFn, role: str, before: Sequence[Message]) -> str | list[Block]:
    if role == "system":
        return draw(TEXTS) if draw(st.booleans()) else draw(st.lists(_TEXT_BLOCKS, max_size=2))
    calls = call_ids(before)
    if not calls and draw(st.integers(0, 3)) == 0:
        return draw(TEXTS)
    if role == "assistant":
        return draw(st.lists(_ASSISTANT_BLOCKS, max_size=3)) + draw(st.lists(_TOOL_USES, max_size=2))
    kept = draw(st.sampled_from([len(calls), len(calls) // 2]))
    ids = draw(st.permutations(calls))[:kept] + draw(st.lists(_IDS, max_size=1))
    results = [_result(draw, id_) for id_ in ids]
    return draw(st.permutations(results + draw(st.lists(_USER_BLOCKS, max_size=2))))


def _result(draw: st.DrawFn, id_: str) -> Block:
    content = draw(st.one_of(st.none(), TEXTS, st.lists(_RESULT_BLOCKS, max_size=3)))
    mark = draw(st.sampled_from([{}, {"is_error": False}, {"is_error": True}]))
    return {"type": "tool_result", "tool_use_id": id_} | ({} if content is None else {"content": content}) | mark


def call_ids(messages: Iterable[Message]) -> list[str]:
    """The ids of all calls in these messages, in their order."""
    blocks = [block for message in messages for block in message["content"] if isinstance(block, dict)]
    return [block["id"] for block in blocks if block["type"] == "tool_use"]


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
    calls = call_ids(before)
    results = [
        {"type": "tool_result", "tool_use_id": id_, "content": draw(TEXTS)} for id_ in draw(st.permutations(calls))
    ]
    texts = draw(st.lists(_TEXT_BLOCKS.filter(lambda block: block["text"]), min_size=0 if results else 1, max_size=2))
    return {"role": "user", "content": results + texts}


def rewritten(history: Sequence[Message]) -> list[Message]:
    """The same history in other words: every string a block, every lone text block a string, every mark moved."""
    return [message | {"content": _other_form(message["content"])} for message in history]


def _other_form(content: str | list[Block]) -> str | list[Block]:
    if isinstance(content, str):
        return [{"citations": [], "text": content, "type": "text"}]
    if [block["type"] for block in content] == ["text"]:
        return str(content[0]["text"])
    return [block | {"cache_control": {"type": "ephemeral"}} for block in content]


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
    if waiting:
        yield "a call at the end without its result"
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
