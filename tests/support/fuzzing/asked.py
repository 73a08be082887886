"""The request that fuzzed answers belong to."""

from typing import Any, Final

ASKED: Final[Any] = {
    "model": "m",
    "messages": [{"role": "user", "content": "Hi"}],
    "tools": [
        {
            "name": "Bash",
            "input_schema": {
                "type": "object",
                "properties": {"command": {"type": "string"}, "timeout": {"type": "integer"}},
                "required": ["command"],
            },
        },
        {"name": "Read", "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}}},
    ],
}
TOOLS: Final = {tool["name"]: tool["input_schema"] for tool in ASKED["tools"]}
