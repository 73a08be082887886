"""`cache_control` marks, for models whose cache only holds what is marked (Anthropic's, some of Alibaba's).

They stand where Claude Code's own are: at the end of the system prompt, which covers the tools before it, and at the
end of the conversation, this turn's and the last one's, so that each request finds what the one before has written.
Source: https://openrouter.ai/docs/features/prompt-caching
"""

from typing import Any, Final

_MARK: Final = {"cache_control": {"type": "ephemeral"}}


def with_breakpoints(messages: list[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """The messages with at most `most` marks."""
    marked = set(_places(messages)[:most])
    return [_marked(message) if place in marked else message for place, message in enumerate(messages)]


def _places(messages: list[dict[str, Any]]) -> list[int]:
    """Where marks may stand, the most useful first: the system prompt, then the last message of the last two turns."""
    system = [0] if messages and messages[0]["role"] == "system" else []
    ends = [place for place, message in enumerate(messages) if message["role"] != "assistant"]
    ends = [place for place in ends if place + 1 == len(messages) or messages[place + 1]["role"] == "assistant"]
    return system + [place for place in ends[:-3:-1] if place not in system]


def _marked(message: dict[str, Any]) -> dict[str, Any]:
    content = message["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if not parts or parts[-1].get("text") == "":
        return message
    return {**message, "content": [*parts[:-1], parts[-1] | _MARK]}
