"""Formats with tokens of their own around a name and its JSON arguments: Mistral, DeepSeek V3 and V3.1, Kimi K2.

[TOOL_CALLS]Read[ARGS]{"file_path": "a.py"}         and before: [TOOL_CALLS][{"name": ..., "arguments": ...}]
    <|tool▁calls▁begin|><|tool▁call▁begin|>Read<|tool▁sep|>{...}<|tool▁call▁end|><|tool▁calls▁end|>, with wide bars
<|tool_calls_section_begin|><|tool_call_begin|>functions.Read:0<|tool_call_argument_begin|>{...}<|tool_call_end|>...
"""

import re
from functools import partial
from typing import Final

from anyclaude.convert.text_calls import json_read
from anyclaude.convert.text_calls.attempt import Attempt, Format
from anyclaude.convert.text_calls.marks import BAR
from anyclaude.convert.text_calls.tag_formats import section
from anyclaude.convert.text_calls.tape import NotACall, Reading

_NAME: Final = re.compile(r"[\w./:-]*")
_ID: Final = re.compile(r"[\w-]*")
_LONGEST: Final = 256


def _mistral(attempt: Attempt) -> Reading[None]:
    tape = attempt.tape
    yield from tape.blank()
    if (yield from tape.peek()) in "[{":
        yield from json_read.calls(attempt, "mistral")
        return
    name = attempt.tool((yield from tape.run(_NAME, _LONGEST)))
    if (yield from tape.maybe("[CALL_ID]")):
        yield from tape.run(_ID, _LONGEST)
    yield from tape.maybe("[ARGS]")
    yield from tape.blank()
    yield from json_read.arguments(attempt, "mistral", name)


# -- DeepSeek -------------------------------------------------------------------------------------------------------


def _deepseek_call(attempt: Attempt, bar: str, gap: str) -> Reading[None]:
    """V3 and R1 write `function<sep>NAME` and the arguments in a fence, V3.1 writes `NAME<sep>` and the arguments."""
    tape = attempt.tape
    end = f"<{bar}tool{gap}call{gap}end{bar}>"
    yield from tape.blank()
    written = yield from tape.run(_NAME, _LONGEST)
    yield from tape.literal(f"<{bar}tool{gap}sep{bar}>")
    yield from tape.blank()
    if (yield from tape.peek()) == "{":
        yield from json_read.arguments(attempt, "deepseek-v3.1", attempt.tool(written))
    elif written == "function":
        yield from _fenced(attempt)
    else:
        raise NotACall
    yield from tape.blank()
    yield from tape.maybe(end)


def _fenced(attempt: Attempt) -> Reading[None]:
    tape = attempt.tape
    name = attempt.tool((yield from tape.run(_NAME, _LONGEST)))
    yield from tape.blank()
    yield from tape.literal("```json")
    yield from tape.blank()
    yield from json_read.arguments(attempt, "deepseek-v3", name)
    yield from tape.blank()
    yield from tape.literal("```")


def _deepseek(bar: str, gap: str, source: str) -> Format:
    start, item = f"<{bar}tool{gap}calls{gap}", f"<{bar}tool{gap}call{gap}begin{bar}>"

    def read(attempt: Attempt) -> Reading[None]:
        yield from section(attempt, item, f"{start}end{bar}>", partial(_deepseek_call, attempt, bar, gap))

    return Format(f"{start}begin{bar}>", read, source, anywhere=True)


# -- Kimi -----------------------------------------------------------------------------------------------------------

_KIMI_NAME: Final = re.compile(r"(?P<name>.+?)(?::\d+)?")


def _kimi_call(attempt: Attempt) -> Reading[None]:
    tape = attempt.tape
    yield from tape.blank()
    if not (found := _KIMI_NAME.fullmatch((yield from tape.run(_NAME, _LONGEST)))):
        raise NotACall
    name = attempt.tool(found["name"])
    yield from tape.blank()
    yield from tape.literal("<|tool_call_argument_begin|>")
    yield from tape.blank()
    yield from json_read.arguments(attempt, "kimi", name)
    yield from tape.blank()
    yield from tape.maybe("<|tool_call_end|>")


def _kimi_section(attempt: Attempt) -> Reading[None]:
    item = partial(_kimi_call, attempt)
    yield from section(attempt, "<|tool_call_begin|>", "<|tool_calls_section_end|>", item)


def _kimi_alone(attempt: Attempt) -> Reading[None]:
    """Where the token that opens the section was lost."""
    yield from _kimi_call(attempt)
    yield from attempt.tape.blank()
    yield from attempt.tape.maybe("<|tool_calls_section_end|>")


_DEEPSEEK_SOURCE: Final = (
    "https://docs.sglang.io/docs/advanced_features/tool_parser; https://huggingface.co/deepseek-ai/DeepSeek-V3.1"
)
_KIMI_SOURCE: Final = "https://huggingface.co/moonshotai/Kimi-K2-Thinking/blob/main/docs/tool_call_guidance.md"

FORMATS: Final = (
    Format(
        "[TOOL_CALLS]", _mistral, "https://docs.mistral.ai/cookbooks/concept-deep-dive-tokenization-tool_calling", True
    ),
    _deepseek(BAR, "▁", _DEEPSEEK_SOURCE),
    _deepseek(BAR, "_", _DEEPSEEK_SOURCE),
    _deepseek("|", "▁", _DEEPSEEK_SOURCE),
    _deepseek("|", "_", _DEEPSEEK_SOURCE),
    Format("<|tool_calls_section_begin|>", _kimi_section, _KIMI_SOURCE, anywhere=True),
    Format("<|tool_call_begin|>", _kimi_alone, _KIMI_SOURCE, anywhere=True),
)
