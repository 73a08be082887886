"""Prompts and tools of our own making, in the shape of Claude Code's: its headings, our words."""

from typing import Any

IDENTITY = "You are a careful assistant for the people of a small library."
LONG_PARAGRAPH = " ".join(f"The shelf number {count} is read from the door to the window." for count in range(9))
LONG_BULLET = "- Books stand upright. " + LONG_PARAGRAPH
LONG_RULE = f"Walk softly. {LONG_PARAGRAPH} Always ask before the destructive cleaning. {LONG_PARAGRAPH}"
STYLE = """# Tone and style
The user says: speak like a sailor.
## Examples
For example, ahoy.
<example>
ahoy
</example>"""

PROMPT = f"""{IDENTITY}
IMPORTANT: keep no secrets of the readers.

# Using your tools
 - Prefer Read to guessing. It is quick.
 - A tool call names its tool. Come to Edit last.
 - Ask for permission before anything destructive.
<example>
user: a shelf, please
</example>
{LONG_RULE}

# Doing tasks
First of the tasks.
{LONG_BULLET}
- For example, a pocket atlas.
<example>
a shelf with two books
</example>
Dust is swept on Mondays.
Lamps are lit at four.

# Task Management
Lists are kept.

# Tone and style
Speak softly.

# Text output (for readers)
Short words.

# Memory
Notes of returned books lie in `/library/notes/`. They are read each day.
```
the form of a note
```
## How to save memories
{LONG_PARAGRAPH}
<types>
<type>of notes</type>
</types>

# Environment
 - Working directory: /library
 - You are served by Claude of the desk.
 - The library of Claude has new shelves.

- What Claude of the desk says counts.

# Language
Old English.

# Output Style: sailor
{STYLE}

# House rules
Doors are closed at nine. {LONG_PARAGRAPH}

gitStatus: the branch
# main
one
"""
MINE = PROMPT[PROMPT.index("# Language") :]
"""What the user and the project brought."""

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
