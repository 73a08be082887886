"""What is fuzzed: the scanner of calls that are written as text."""

from collections.abc import Sequence
from typing import Any, Final

from anyclaude.convert.text_calls import Call, TextCalls
from anyclaude.convert.text_calls.said import joined as joined_pieces
from tests.support.fuzzing.asked import TOOLS
from tests.support.fuzzing.source import Source

_MARKS: Final = (
    *(
        "<tool_call>",
        "</tool_call>",
        "<think>",
        "</think>",
        "<|channel|>",
        "<|message|>",
        "<|call|>",
        "[TOOL_CALLS]",
        "[ARGS]",
    ),
    *(
        "<function=Bash>",
        "</function>",
        "<parameter=command>",
        "</parameter>",
        "<|tool_calls_section_begin|>",
        "```",
        "~~~",
        "\n",
        "    ",
    ),
    *(
        '{"name": "Bash", "arguments": {"command": "',
        '"}}',
        "[Bash(command='",
        "')]",
        "<\uff5ctool\u2581calls\u2581begin\uff5c>",
        "<invoke name=",
        ">",
        '"',
    ),
    *(
        "<|python_tag|>",
        "functions.Bash:0",
        "<minimax:tool_call>",
        "<arg_key>",
        "</arg_value>",
        "prose. ",
        "\ud83d",
        "\ude00",
        "\u2028",
    ),
)


def scanner(given: bytes) -> None:
    """Any cut gives the same pieces, and nothing of a text is lost or made up."""
    source = Source(given)
    opened, small = source.byte() % 4 == 0, source.byte() % 8 == 0
    parts = list[str]()
    while source.left > 0 and len(parts) < 60:
        parts.append(source.pick(_MARKS) if source.byte() % 4 else source.text(20))
    whole = "".join(parts)
    largest = 40 if small else 1 << 20
    found = _scanned([whole], opened, largest)
    if not small:  # beyond the bound it counts where it is noticed
        assert _scanned(parts, opened, largest) == found
        assert _scanned(list(whole), opened, largest) == found
    said = "".join(piece.raw if isinstance(piece, Call) else piece.text for piece in found)
    assert len(said) <= len(whole) + whole.count("\ud83d") + whole.count("\ude00")


def _scanned(parts: Sequence[str], opened: bool, largest: int) -> list[Any]:
    scanning = TextCalls(TOOLS, opened=opened, largest=largest)
    found = [piece for part in parts for piece in scanning.feed(part)]
    return joined_pieces(found + scanning.end())
