"""Formats in which a call's arguments stand between tags, without quotes; and the tag that four families share.

    <tool_call><function=Read><parameter=file_path>a.py</parameter></function></tool_call>      Qwen3-Coder
    <minimax:tool_call><invoke name="Read"><parameter name="file_path">a.py</parameter></invoke></minimax:tool_call>
    <tool_call>Read<arg_key>file_path</arg_key><arg_value>a.py</arg_value></tool_call>          GLM
    <tool_call>{"name": "Read", "arguments": {"file_path": "a.py"}}</tool_call>                 Hermes, Qwen

A value goes up to that closing tag behind which the call goes on or ends, so that it may hold the tag itself.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from anyclaude.convert.text_calls import json_read
from anyclaude.convert.text_calls.attempt import Attempt, Format
from anyclaude.convert.text_calls.marks import BAR
from anyclaude.convert.text_calls.schema import read_json
from anyclaude.convert.text_calls.tape import NotACall, Reading

_HEADER: Final = re.compile(r"[^<>\n]*")
_LONGEST_HEADER: Final = 300
_BARE: Final = re.compile(r"(?P<name>[^\s<>\"'{}]+)(?P<string>)")
_NAMED: Final = re.compile(
    r"\s+name\s*=\s*(?P<quote>[\"']?)(?P<name>[^\"'<>]+?)(?P=quote)(?:\s+string\s*=\s*[\"'](?P<string>true|false)[\"'])?\s*"
)
_QUOTED: Final = re.compile(r"(?P<quote>[\"']?)(?P<name>[^\"'<>]+?)(?P=quote)(?P<string>)")
_SPACE: Final = re.compile(r"\s*")
_GLM_NAME: Final = re.compile(r"[\w.:/-]*")


@dataclass(frozen=True, slots=True)
class Tags:
    """`call NAME> (argument KEY> VALUE argument_end)* call_end`.

    header: what stands between a tag's name and `>`. has_lines: values are written on lines of their own.
    """

    family: str
    call: str
    call_end: str
    argument: str
    argument_end: str
    header: re.Pattern[str]
    has_lines: bool = False


def header(attempt: Attempt, tags: Tags) -> Reading[re.Match[str]]:
    written = yield from attempt.tape.run(_HEADER, _LONGEST_HEADER)
    if not (found := tags.header.fullmatch(written)):
        raise NotACall
    yield from attempt.tape.literal(">")
    return found


def tagged(attempt: Attempt, tags: Tags) -> Reading[None]:
    """One call, from behind `call`."""
    tape = attempt.tape
    name = attempt.tool((yield from header(attempt, tags))["name"])
    yield from tape.blank()
    if (yield from tape.peek()) == "{":  # Llama 3.1's custom tools: the arguments as JSON
        yield from json_read.arguments(attempt, "llama-function", name)
        yield from tape.blank()
        yield from tape.literal(tags.call_end)
        return
    arguments: dict[str, Any] = {}
    met = yield from tape.literal(tags.argument, tags.call_end)
    while met == tags.argument:
        found = yield from header(attempt, tags)
        text, met = yield from ended(attempt, tags.argument_end, tags.argument, tags.call_end)
        text = without_lines(text, always=tags.has_lines)
        put(arguments, found["name"], _value(attempt, name, found, text))
    attempt.add(tags.family, name, arguments)


def _value(attempt: Attempt, name: str, found: re.Match[str], text: str) -> Any:
    """DeepSeek says itself whether a value is a text."""
    if found["string"] == "true":
        return text
    read = read_json(text) if found["string"] == "false" else ...
    return attempt.meant(name, found["name"], text) if read is ... else read


def put(arguments: dict[str, Any], key: str, value: Any) -> None:
    """Nothing is written twice."""
    if key in arguments:
        raise NotACall
    arguments[key] = value


def ended(attempt: Attempt, end: str, *then: str) -> Reading[tuple[str, str]]:
    """The text before that `end` behind which one of `then` stands, and which one it is."""
    tape = attempt.tape
    parts: list[str] = []
    while True:
        parts.append((yield from tape.until(end)))
        blank = yield from tape.run(_SPACE)
        if met := (yield from tape.maybe(*then)):
            return "".join(parts), met
        parts.append(end + blank)


def without_lines(text: str, *, always: bool) -> str:
    """A line break after the opening tag and one before the closing tag are layout, of some formats only as a pair."""
    is_pair = len(text) > 1 and text[0] == text[-1] == "\n"
    return text.removeprefix("\n").removesuffix("\n") if always or is_pair else text


def section(attempt: Attempt, opener: str, closer: str, item: Callable[[], Reading[None]]) -> Reading[None]:
    """Items, each from behind `opener`; `closer` may be missing, as servers cut it off as a stop string."""
    tape = attempt.tape
    yield from tape.blank()
    yield from tape.literal(opener)
    while True:
        yield from item()
        yield from tape.blank()
        if (yield from tape.maybe(opener, closer)) != opener:
            return


# -- <tool_call> ----------------------------------------------------------------------------------------------------


QWEN: Final = Tags("qwen-coder", "<function=", "</function>", "<parameter=", "</parameter>", _BARE, has_lines=True)
INVOKE: Final = Tags("minimax-m2", "<invoke", "</invoke>", "<parameter", "</parameter>", _NAMED)
ATEM: Final = Tags("muse", "<atem:invoke", "</atem:invoke>", "<atem:parameter", "</atem:parameter>", _NAMED)
MINICPM: Final = Tags("minicpm", "<function name=", "</function>", "<param name=", "</param>", _QUOTED)
_DSML: Final = f"{BAR}DSML{BAR}"
DSML: Final = Tags(
    "deepseek-dsml", f"<{_DSML}invoke", f"</{_DSML}invoke>", f"<{_DSML}parameter", f"</{_DSML}parameter>", _NAMED
)


def _tool_call(attempt: Attempt) -> Reading[None]:
    """What follows `<tool_call>` tells whose it is."""
    tape = attempt.tape
    yield from tape.blank()
    first = yield from tape.peek()
    if first in "{[":
        yield from json_read.calls(attempt, "hermes")
    elif first == "<":
        yield from tape.literal(QWEN.call)
        yield from tagged(attempt, QWEN)
    else:
        yield from _glm(attempt, "", "</tool_call>", "glm")
        return
    yield from tape.blank()
    yield from tape.maybe("</tool_call>")


def _glm(attempt: Attempt, prefix: str, closer: str, family: str) -> Reading[None]:
    """`NAME (<arg_key>KEY</arg_key><arg_value>VALUE</arg_value>)*` and the closing tag."""
    tape = attempt.tape
    key_open, value_open = f"<{prefix}arg_key>", f"<{prefix}arg_value>"
    name = attempt.tool((yield from tape.run(_GLM_NAME, _LONGEST_HEADER)))
    yield from tape.blank()
    arguments: dict[str, Any] = {}
    met = yield from tape.literal(key_open, closer)
    while met == key_open:
        key = (yield from tape.run(_HEADER, _LONGEST_HEADER)).strip()
        yield from tape.literal(f"</{prefix}arg_key>")
        yield from tape.blank()
        yield from tape.literal(value_open)
        text, met = yield from ended(attempt, f"</{prefix}arg_value>", key_open, closer)
        put(arguments, key, attempt.meant(name, key, text))
    attempt.add(family, name, arguments)


def _function(attempt: Attempt) -> Reading[None]:
    """Without the outer tag, of which models then often write the closing one."""
    yield from tagged(attempt, QWEN)
    yield from attempt.tape.blank()
    yield from attempt.tape.maybe("</tool_call>")


def _wrapped(opener: str, tags: Tags, source: str, anywhere: bool = False) -> Format:
    def read(attempt: Attempt) -> Reading[None]:
        closer = opener.replace("<", "</", 1)
        yield from section(attempt, tags.call, closer, partial(tagged, attempt, tags))

    return Format(opener, read, source, anywhere)


def _alone(tags: Tags, source: str, anywhere: bool = False) -> Format:
    return Format(tags.call, partial(tagged, tags=tags), source, anywhere)


_VLLM: Final = "https://docs.vllm.ai/en/stable/api/vllm/parser"
_MLX: Final = "https://github.com/ml-explore/mlx-lm/tree/main/mlx_lm/tool_parsers"

FORMATS: Final = (
    Format(
        "<tool_call>",
        _tool_call,
        f"https://qwen.readthedocs.io/en/latest/framework/function_call.html; {_VLLM}/glm47_moe/",
    ),
    Format(
        "<longcat_tool_call>", partial(_glm, prefix="longcat_", closer="</longcat_tool_call>", family="longcat"), _MLX
    ),
    Format(QWEN.call, _function, "https://huggingface.co/Qwen/Qwen3-Coder-480B-A35B-Instruct; Llama 3.1's model card"),
    _wrapped("<seed:tool_call>", QWEN, f"{_VLLM}/seed_oss/"),
    _wrapped(
        "<minimax:tool_call>",
        INVOKE,
        "https://huggingface.co/MiniMaxAI/MiniMax-M2/blob/main/docs/tool_calling_guide.md",
    ),
    _wrapped("<function_calls>", INVOKE, f"{_VLLM}/minimax_m2/"),
    _alone(INVOKE, f"{_VLLM}/minimax_m2/"),
    _wrapped(f"<{_DSML}function_calls>", DSML, f"{_VLLM}/deepseek_v32/", anywhere=True),
    _wrapped(f"<{_DSML}tool_calls>", DSML, f"{_VLLM}/deepseek_v4/", anywhere=True),
    _wrapped("<atem:function_calls>", ATEM, _MLX),
    _alone(MINICPM, _MLX),
)
