"""Prompts and tools of our own making, in the shape of Claude Code's."""

from typing import Any

IDENTITY = "You are a careful assistant for the people of a small library."
LONG_PARAGRAPH = "The shelves are counted from the door to the window and back again, " * 8

PROMPT = f"""{IDENTITY}
IMPORTANT: keep no secrets of the readers.

# Using tools
- A tool call names its tool. Read before Edit.
- Ask for permission before anything destructive.
- Results come back one by one.
Plain words one.
Plain words two.
Plain words three.
Plain words four.

# Shelving
Books stand upright.
{LONG_PARAGRAPH}
- Small books stand in front.
- For example, a pocket atlas.
<example>
a shelf with two books
</example>
Dust is swept on Mondays.
Lamps are lit at four.

# Git
Commits are small.

# Tone and style
Speak softly.

# Memory
Remember returned books.
## What to keep
Titles only.

# Environment
- working directory: /library
branch main
one
two
"""

READ: dict[str, Any] = {
    "name": "Read",
    "description": "Reads a book." + " It turns the pages one by one." * 40 + "\n\nSecond paragraph.",
    "input_schema": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "description": {"type": "string", "description": "What for. " * 60},
            "$schema": {"type": "integer", "maximum": 9007199254740991, "minimum": 1},
        },
        "required": ["description"],
        "additionalProperties": False,
    },
}
EDIT: dict[str, Any] = {"name": "Edit", "description": "Changes a book.", "input_schema": {"type": "object"}}


def request(system: Any = PROMPT, question: str = "Sort the shelf.", **more: Any) -> dict[str, Any]:
    asked = {"role": "user", "content": question}
    return {"model": "m", "system": system, "messages": [asked], "tools": [READ, EDIT], **more}
