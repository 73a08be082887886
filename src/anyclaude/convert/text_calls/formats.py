"""Every way in which models write calls as text. A new one is a row here, and a reader where no table has it."""

from collections.abc import Mapping
from typing import Final

from anyclaude.convert.text_calls import (
    gemma,
    harmony,
    json_formats,
    kimi3,
    llama,
    native_formats,
    pythonic,
    tag_formats,
)
from anyclaude.convert.text_calls.attempt import Attempt, Format
from anyclaude.convert.text_calls.marks import BAR, Marks
from anyclaude.convert.text_calls.tape import Reading


def _end(attempt: Attempt) -> Reading[None]:
    """What ends a turn; it may follow a call, and means nothing elsewhere."""
    yield from ()


_TURN_ENDS: Final = (
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end_of_text|>",
    "<|end_of_role|>",
    "</s>",
    f"<{BAR}end▁of▁sentence{BAR}>",
    "<|user|>",
    "<|observation|>",
    "<end_of_turn>",
    "<turn|>",
    "<start_function_response>",
    "<|tool_response>",
    "[e~[",
    "<|END_OF_TURN_TOKEN|>",
)

BY_OPENER: Final[Mapping[str, Format]] = {
    one.opener: one
    for module in (json_formats, tag_formats, native_formats, kimi3, gemma, llama, pythonic, harmony)
    for one in module.FORMATS
}
FOLLOWING: Final[Mapping[str, Format]] = {**{end: Format(end, _end, "") for end in _TURN_ENDS}, **BY_OPENER}

WHOLE: Final = llama.WHOLE
IN_HARMONY: Final = BY_OPENER
OUTSIDE: Final = {opener: one for opener, one in BY_OPENER.items() if opener not in harmony.ENDS}
THOUGHT_ONLY: Final = {one.opener: one for one in harmony.FORMATS}

MARKS: Final[Mapping[str, Marks]] = {
    "following": Marks(FOLLOWING),
    "in harmony": Marks(IN_HARMONY),
    "outside": Marks(OUTSIDE),
    "thought only": Marks(THOUGHT_ONLY),
    "whole": Marks(WHOLE),
}


def all_calls(attempt: Attempt, first: Format) -> Reading[None]:
    """Calls up to the end of the answer, from the opener of the first. Raises NotACall when something else comes."""
    tape = attempt.tape
    tape.at += len(first.opener)
    yield from first.read(attempt)
    while True:
        attempt.is_complete = True
        yield from tape.blank()
        if tape.over:
            return
        start = tape.held
        one = FOLLOWING[(yield from tape.one_of(MARKS["following"]))]
        attempt.is_complete = False
        if one.source:
            attempt.start = start
        yield from one.read(attempt)
