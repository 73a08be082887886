"""Calls without a mark of their own, which make up a whole answer; and Llama 3's `<|python_tag|>`.

    {"name": "Read", "parameters": {"file_path": "a.py"}}
    <|python_tag|>{"name": "Read", "parameters": {"file_path": "a.py"}}; {"name": ...}
    functools[{"name": "Read", "arguments": {"file_path": "a.py"}}]                                     Phi-4-mini

An answer that is JSON for another reason shows it by its first keys.
Source: https://www.llama.com/docs/model-cards-and-prompt-formats/llama3_1/
"""

from typing import Final

from anyclaude.convert.text_calls import json_read, pythonic
from anyclaude.convert.text_calls.attempt import Attempt, Format
from anyclaude.convert.text_calls.tape import NotACall, Reading


def _python_tag(attempt: Attempt) -> Reading[None]:
    tape = attempt.tape
    yield from tape.blank()
    first = yield from tape.peek()
    if first == "[":
        yield from _listed(attempt)
    elif first == "{":
        yield from json_read.calls(attempt, "llama3")
    else:
        yield from pythonic.one(attempt, "llama3")


def _objects(attempt: Attempt) -> Reading[None]:
    yield from json_read.calls(attempt, "bare-json", is_certain=False)


def _listed(attempt: Attempt) -> Reading[None]:
    """A list of objects, or of calls as Python writes them. The bracket alone does not tell which."""
    tape = attempt.tape
    while not (rest := tape.text[tape.at + 1 : tape.at + _MOST_BLANK].lstrip()):
        if len(tape.text) >= tape.at + _MOST_BLANK:
            raise NotACall
        yield from tape.more()
    if rest[0] == "{":
        yield from json_read.calls(attempt, "bare-json", is_certain=False)
    else:
        yield from pythonic.calls(attempt, "pythonic")


_MOST_BLANK: Final = 256


def _functools(attempt: Attempt) -> Reading[None]:
    if (yield from attempt.tape.peek()) != "[":
        raise NotACall
    yield from json_read.calls(attempt, "phi-4-mini")


_LLAMA3: Final = "https://www.llama.com/docs/model-cards-and-prompt-formats/llama3_1/"

FORMATS: Final = (Format("<|python_tag|>", _python_tag, _LLAMA3, anywhere=True),)

WHOLE: Final = {
    "{": Format("", _objects, _LLAMA3),
    "[": Format("", _listed, "https://www.llama.com/docs/model-cards-and-prompt-formats/llama4_omni/"),
    "functools[": Format("functools", _functools, "https://huggingface.co/microsoft/Phi-4-mini-instruct"),
}
"""By how an answer begins."""
