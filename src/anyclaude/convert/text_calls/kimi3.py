"""Kimi K3's calls: elements between tokens, arguments one by one with their types, or all as one JSON object.

    <|open|>tools<|sep|>
    <|open|>call tool="Read" index="1"<|sep|>
    <|open|>argument key="file_path" type="string"<|sep|>a.py<|close|>argument<|sep|>
    <|close|>call<|sep|>
    <|close|>tools<|sep|>

Source: https://github.com/ml-explore/mlx-lm/tree/main/mlx_lm/tool_parsers
"""

import re
from functools import partial
from typing import Any, Final

from anyclaude.convert.text_calls import json_read
from anyclaude.convert.text_calls.attempt import Attempt, Format
from anyclaude.convert.text_calls.schema import read_json
from anyclaude.convert.text_calls.tag_formats import ended, put, section
from anyclaude.convert.text_calls.tape import NotACall, Reading

_SEP: Final = "<|sep|>"
_CALL: Final = "<|open|>call"
_CALL_END: Final = f"<|close|>call{_SEP}"
_ARGUMENT: Final = "<|open|>argument"
_ARGUMENT_END: Final = f"<|close|>argument{_SEP}"
_JSON: Final = "<|open|>json"
_HEADER: Final = re.compile(r"[^<>\n]*")
_ATTRIBUTE: Final = re.compile(r'\s+([\w-]+)="([^"]*)"')
_LONGEST: Final = 300
_MLX: Final = "https://github.com/ml-explore/mlx-lm/tree/main/mlx_lm/tool_parsers"


def _attributes(attempt: Attempt) -> Reading[dict[str, str]]:
    written = yield from attempt.tape.run(_HEADER, _LONGEST)
    yield from attempt.tape.literal(_SEP)
    if _ATTRIBUTE.sub("", written).strip():
        raise NotACall
    return dict(_ATTRIBUTE.findall(written))


def _call(attempt: Attempt) -> Reading[None]:
    tape = attempt.tape
    name = attempt.tool((yield from _attributes(attempt)).get("tool", ""))
    yield from tape.blank()
    met = yield from tape.literal(_JSON, _ARGUMENT, _CALL_END)
    if met == _JSON:
        yield from _attributes(attempt)
        yield from tape.blank()
        yield from json_read.arguments(attempt, "kimi-k3", name)
        yield from tape.blank()
        yield from tape.literal(f"<|close|>json{_SEP}")
        yield from tape.blank()
        yield from tape.literal(_CALL_END)
        return
    arguments: dict[str, Any] = {}
    while met == _ARGUMENT:
        said = yield from _attributes(attempt)
        text, met = yield from ended(attempt, _ARGUMENT_END, _ARGUMENT, _CALL_END)
        put(arguments, said.get("key", ""), _value(attempt, name, said, text))
    attempt.add("kimi-k3", name, arguments)


def _value(attempt: Attempt, name: str, said: dict[str, str], text: str) -> Any:
    """The model says what it means; where it does not, or not rightly, the schema does."""
    kind = said.get("type")
    if kind == "string":
        return text
    read = ... if kind is None else read_json(text)
    return attempt.meant(name, said.get("key", ""), text) if read is ... else read


def _tools(attempt: Attempt) -> Reading[None]:
    yield from section(attempt, _CALL, f"<|close|>tools{_SEP}", partial(_call, attempt))


FORMATS: Final = (Format(f"<|open|>tools{_SEP}", _tools, _MLX, anywhere=True),)
