"""gpt-oss's harmony: messages with a header that says whom they are for and through which channel.

    <|channel|>analysis<|message|>...<|end|>                                                       thinking
    <|start|>assistant<|channel|>commentary to=functions.Read <|constrain|>json<|message|>{...}<|call|>
    <|start|>assistant<|channel|>final<|message|>...<|return|>                                     the answer

The recipient may stand before or behind the channel, `<|constrain|>` may be missing. Headers without a recipient count
only in an answer that began with one. Source: https://cookbook.openai.com/article/harmony
"""

import re
from typing import Final

from anyclaude.convert.text_calls import json_read
from anyclaude.convert.text_calls.attempt import Attempt, Format, Turn
from anyclaude.convert.text_calls.tape import NotACall, Reading

CHANNEL: Final = "<|channel|>"
START: Final = "<|start|>"
MESSAGE: Final = "<|message|>"
CONSTRAIN: Final = "<|constrain|>"
ENDS: Final = ("<|end|>", "<|return|>", "<|call|>")

_WORDS: Final = re.compile(r"[\w .,/:=-]*")
_LONGEST: Final = 200
_HEADER: Final = re.compile(
    r"(?:assistant)?\s*(?:to=(?P<before>[^\s<]+))?\s*"
    r"<\|channel\|>\s*(?P<channel>analysis|commentary|final)\s*(?:to=(?P<behind>[^\s<]+))?\s*"
    r"(?:<\|constrain\|>)?\s*(?:json|code)?\s*"
)
SOURCE: Final = "https://cookbook.openai.com/article/harmony"


def _message(attempt: Attempt, opener: str) -> Reading[None]:
    """A header and, when it calls a tool, the arguments. Raises Turn when it begins thinking or a text."""
    tape = attempt.tape
    written = opener if opener == CHANNEL else ""
    while True:
        written += yield from tape.run(_WORDS, _LONGEST)
        if (mark := (yield from tape.literal(MESSAGE, CHANNEL, CONSTRAIN))) == MESSAGE:
            break
        written += mark
        if len(written) > _LONGEST:
            raise NotACall
    if not (found := _HEADER.fullmatch(written)):
        raise NotACall
    if recipient := found["behind"] or found["before"]:
        name = attempt.tool(recipient)
        yield from tape.blank()
        yield from json_read.arguments(attempt, "harmony", name)
    elif attempt.in_harmony:
        raise Turn("thinking" if found["channel"] == "analysis" else "text")
    else:
        raise NotACall


def _from_start(attempt: Attempt) -> Reading[None]:
    yield from _message(attempt, START)


def _from_channel(attempt: Attempt) -> Reading[None]:
    yield from _message(attempt, CHANNEL)


def _end(attempt: Attempt) -> Reading[None]:
    """The end of a message that has begun, or of a call; what follows must be another one, or nothing."""
    if not (attempt.in_message or attempt.has_calls):
        raise NotACall
    yield from ()


HEADERS: Final = (
    Format(START, _from_start, SOURCE, anywhere=True),
    Format(CHANNEL, _from_channel, SOURCE, anywhere=True),
)
FORMATS: Final = (*HEADERS, *(Format(end, _end, SOURCE, anywhere=True) for end in ENDS))
