"""The table of what an upstream's chunks have wrong: U21, U24, and U35 to U37. Only backends that convert see them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tests.support.faulty_upstream import Scenario, Wire
from tests.support.oracle import Kind
from tests.support.raw_upstream import sse
from tests.support.streams import Chunk, call, delta, finish, text, usage
from tests.support.upstream_faults import Fault

TOOL: Final = "Bash"
_CALL: Final = {"type": "tool_use", "id": "c1", "name": TOOL, "input": {"command": "ls"}}
_OTHER: Final = {"type": "tool_use", "id": "c2", "name": TOOL, "input": {"command": "pwd"}}
_LS: Final = '{"command": "ls"}'
_PWD: Final = '{"command": "pwd"}'
_ENDED: Final = (finish("tool_calls"), usage(12, 3), "[DONE]")


def chunks(*said: Chunk | str | object) -> Scenario:
    """A stream of these chunks. A string is sent as it is."""

    async def play(wire: Wire) -> None:
        await wire.stream(*map(sse, said))

    return play


def raw(*said: str) -> Scenario:
    """The frames between opening and end, letter by letter."""

    async def play(wire: Wire) -> None:
        lines = [f"data: {one}\n\n".encode() for one in said]
        await wire.stream(wire.says.opening, *lines, wire.says.more, wire.says.finish, wire.says.mark)

    return play


def _texts(name: str, *said: str, is_: str) -> Fault:
    """Strings are chunks as they are written, so that an escape stays one."""
    frames = [f'{{"choices":[{{"index":0,"delta":{{"content":"{one}"}}}}]}}' for one in said]
    return Fault(name, chunks(*frames, finish(), "[DONE]"), "whole", None, says=is_)


def _odd(name: str, odd: object, openai: Kind = "whole") -> Fault:
    return Fault(name, raw(json.dumps(odd)), openai, None)


def _calls(
    name: str, *said: Chunk, is_: Sequence[Mapping[str, Any]] = (_CALL,), ended: Sequence[Any] = _ENDED
) -> Fault:
    return Fault(name, chunks(*said, *ended), "whole", None, says=None, blocks=is_)


def _counted(name: str, *counts: object) -> Fault:
    frames = [{"choices": [], "usage": count} for count in counts]
    return Fault(name, chunks(text("Hello."), finish(), *frames, "[DONE]"), "whole", None)


def _both(*fragments: Chunk) -> Chunk:
    """The fragments of several chunks in one."""
    return delta(tool_calls=[one["choices"][0]["delta"]["tool_calls"][0] for one in fragments])


def _thought(name: str, *said: Chunk, is_: Sequence[Mapping[str, Any]]) -> Fault:
    return Fault(name, chunks(*said, finish(), "[DONE]"), "whole", None, says=None, blocks=is_)


_HM: Final = {"type": "thinking", "thinking": "Hm.", "signature": ""}
_TEXT: Final = {"type": "text", "text": "Hello."}

CHUNK_FAULTS: Final[Sequence[Fault]] = (
    _texts("U21 every kind of character", "é\U0001f600\u2028漢\u0000".replace("\u0000", ""), is_="é\U0001f600\u2028漢"),
    _texts("U21 escapes", "\\u00e9\\n\\\\\\ud83d\\ude00", is_="é\n\\\U0001f600"),
    _texts("U21 a pair over two deltas", "a\\ud83d", "\\ude00b", is_="a\U0001f600b"),
    _odd("U24 choices is null", {"choices": None}),
    _odd("U24 choices is a number", {"choices": 7}),
    _odd("U24 choices is empty", {"choices": []}),
    _odd("U24 a choice is null", {"choices": [None]}),
    _odd("U24 delta is null", {"choices": [{"index": 0, "delta": None}]}),
    _odd("U24 delta is a list", {"choices": [{"index": 0, "delta": [1]}]}),
    _odd("U24 content is a number", {"choices": [{"index": 0, "delta": {"content": 7}}]}),
    _odd("U24 content is an object", {"choices": [{"index": 0, "delta": {"content": {"text": "x"}}}]}),
    _odd("U24 no index", {"choices": [{"delta": {"content": ""}}]}),
    _odd(
        "U24 calls of every wrong type", {"choices": [{"delta": {"tool_calls": [None, 1, "x", [], {"function": 3}]}}]}
    ),
    _odd("U24 reasoning is a number", {"choices": [{"delta": {"reasoning_content": 5, "reasoning": []}}]}),
    _odd("U24 a finish that is a number", {"choices": [{"delta": {}, "finish_reason": 0}]}),
    _odd("U24 error is empty", {"error": None, "choices": []}),
    _odd("U24 a list", [1, 2], "error event"),
    _odd("U24 a number", 7, "error event"),
    _odd("U24 null", None, "error event"),
    _odd("U24 an error that is a list", {"error": [1]}, "error event"),
    _odd("U24 an error that is a number", {"error": 7}, "error event"),
    _calls("U35 in pieces", call(0, "c1", TOOL, ""), call(0, args=_LS[:5]), call(0, args=_LS[5:])),
    _calls("U35 a chunk twice", *[call(0, "c1", TOOL, _LS)] * 2),
    _calls("U35 no index", call(None, "c1", TOOL, _LS[:4]), call(None, args=_LS[4:])),
    _calls("U35 an index again", call(0, "c1", TOOL, _LS), call(0, "c2", TOOL, _PWD), is_=(_CALL, _OTHER)),
    _calls("U35 its name comes later", call(0, "c1", args=_LS[:4]), call(0, name=TOOL, args=_LS[4:])),
    _calls("U35 arguments twice", call(0, "c1", TOOL, _LS), call(0, args=_LS)),
    _calls(
        "U35 two calls in one chunk", _both(call(0, "c1", TOOL, _LS), call(1, "c2", TOOL, _PWD)), is_=(_CALL, _OTHER)
    ),
    _calls(
        "U35 two calls that take turns",
        *(call(0, "c1", TOOL, _LS[:5]), call(1, "c2", TOOL, _PWD[:5]), call(0, args=_LS[5:]), call(1, args=_PWD[5:])),
        is_=(_CALL, _OTHER),
    ),
    _calls(
        "U35 with the finish in one chunk",
        {"choices": [{**call(0, "c1", TOOL, _LS)["choices"][0], "finish_reason": "tool_calls"}]},
        ended=("[DONE]",),
    ),
    _calls(
        "U35 arguments behind the finish",
        call(0, "c1", TOOL, _LS[:5]),
        finish("tool_calls"),
        call(0, args=_LS[5:]),
        ended=("[DONE]",),
    ),
    _calls("U35 arguments as an object", call(0, "c1", TOOL, {"command": "ls"})),
    _calls("U35 the finish says stop", call(0, "c1", TOOL, _LS), ended=(finish("stop"), "[DONE]")),
    Fault("U35 no JSON at the end", chunks(call(0, "c1", TOOL, '{"command": "l'), *_ENDED), "whole", None, says=None),
    Fault("U35 no id", chunks(call(0, None, TOOL, _LS), *_ENDED), "whole", None, says=None),
    Fault("U35 cut in the arguments", chunks(call(0, "c1", TOOL, _LS[:5])), "error event", None),
    Fault("U35 a finish for calls, and none", chunks(text("Hello."), *_ENDED), "whole", None),
    Fault("U36 no counts", chunks(text("Hello."), finish(), "[DONE]"), "whole", None),
    _counted(
        "U36 counts twice", {"prompt_tokens": 1, "completion_tokens": 1}, {"prompt_tokens": 12, "completion_tokens": 3}
    ),
    _counted("U36 counts that are null", None, {"prompt_tokens": None, "completion_tokens": None}),
    _counted("U36 counts that are strings", {"prompt_tokens": "12", "completion_tokens": "many"}),
    _counted("U36 counts that are negative or huge", {"prompt_tokens": -5, "completion_tokens": 10**40}),
    _counted(
        "U36 counts that are no numbers",
        {"prompt_tokens": [1], "completion_tokens": {"a": 1}, "prompt_tokens_details": 4},
    ),
    _counted("U36 a list for counts", [1, 2], "x", 7),
    _thought("U37 the tags in pieces", *map(text, ["<th", "ink>H", "m.</thi", "nk>", "Hello."]), is_=(_HM, _TEXT)),
    _thought("U37 both names", delta(reasoning_content="Hm.", reasoning="Hm."), text("Hello."), is_=(_HM, _TEXT)),
    _thought("U37 both in one chunk", delta(reasoning_content="Hm.", content="Hello."), is_=(_HM, _TEXT)),
    _thought(
        "U37 thinking and text take turns",
        *(delta(reasoning="Hm."), text("Hello."), delta(reasoning="Hm."), text("Hello.")),
        is_=(_HM, _TEXT, _HM, _TEXT),
    ),
)
