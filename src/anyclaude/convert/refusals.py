"""The parameter that a server refused, found in its words, and the profile of a model that is known to refuse it.

Sources: OpenAI's and Azure's errors ("Unsupported parameter: 'x' is not supported with this model", "Unsupported value:
'x' does not support ...", "Unrecognized request argument supplied: x"), FastAPI's in front of vLLM and others
("Extra inputs are not permitted"), LM Studio's ("Invalid tool_choice type: 'object'"), OpenRouter's ("No endpoints
found that support ..."), llama.cpp's ("image input is not supported", "Unexpected reasoning effort", "failed to parse
grammar", which is about the bounds in tool schemas). LM Studio's engine may crash on an image instead of refusing it.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import takewhile
from typing import Any, Final

from anyclaude.convert.profile import Profile

_NAMED: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"unsupported (?:parameter|value)s?\W+(?P<name>[a-z_]+)",
        r"unrecognized request arguments? supplied\W+(?P<name>[a-z_]+)",
        r"(?:unknown|unexpected|unrecognized) (?:parameter|field|argument|name)s?\W+(?P<name>[a-z_]+)",
        r"(?P<name>[a-z_]+)\W{0,4} (?:is|are) (?:not supported|unsupported|deprecated)\b",
        r"(?P<name>[a-z_]+)\W{1,4}extra inputs are not permitted",
        r"does not support (?:the )?(?:parameter )?\W?(?P<name>[a-z_]+)",
        r"found that support the provided \W?(?P<name>[a-z_]+)",
        r"unexpected (?P<name>reasoning effort)",
    )
)
_NAMED_CHOICE: Final = re.compile(
    r"invalid tool_choice type|tool_choice.{0,40}(?:object|must be (?:one of|a string))", re.I
)
_NO_IMAGES: Final = re.compile(
    r"(?:support|accept|take)\w*\b.{0,20}\bimages?\b|images?\b.{0,30}\bnot (?:be )?support", re.I
)
_NO_TOOLS: Final = re.compile(r"not support (?:tools\b|tool use|function calling)", re.I)
"""Not OpenRouter's "No endpoints found that support tool use": that is said of providers, and the person can choose."""

_CRASHED: Final = re.compile(r"model has crashed", re.I)
_GRAMMAR: Final = re.compile(r"failed to parse grammar|error parsing grammar|number of repetitions exceeds", re.I)

_NEVER_LEFT_OUT: Final = frozenset(("model", "messages", "stream", "tools"))
IMAGES: Final = "images"
TOOLS: Final = "tools"
NAMED_CHOICE: Final = "named tool_choice"
SCHEMAS: Final = "tool schemas"


def refused_parameter(message: str, sent: Mapping[str, Any]) -> str | None:
    """What of the body that was sent the words refuse: a parameter, or `images`, `tools`, `tool schemas`,
    `named tool_choice`."""
    if isinstance(sent.get("tool_choice"), Mapping) and _NAMED_CHOICE.search(message):
        return NAMED_CHOICE
    if _holds_images(sent) and _NO_IMAGES.search(message):
        return IMAGES
    if _CRASHED.search(message) and _holds_images({"messages": _since_the_assistant(sent)}):
        return IMAGES
    if "tools" in sent and _NO_TOOLS.search(message):
        return TOOLS
    if _GRAMMAR.search(message) and ("tools" in sent or "response_format" in sent):
        return SCHEMAS if "tools" in sent else "response_format"
    for pattern in _NAMED:
        for match in pattern.finditer(message):
            name = match["name"].lower().replace(" ", "_")
            if name in sent and name not in _NEVER_LEFT_OUT:
                return name
    return None


def learnt(profile: Profile, name: str) -> Profile:
    """The profile that does not do again what `refused_parameter` found."""
    match name:
        case "images":
            return replace(profile, images=False)
        case "tools":
            return replace(profile, tools=False)
        case "tool schemas":
            return replace(profile, plain_schemas=True)
        case "named tool_choice":
            return replace(profile, named_tool_choice=False)
        case "max_tokens":  # its newer name; without a bound models would write on and on
            return replace(profile, max_tokens_field="max_completion_tokens")
        case "max_completion_tokens":
            return replace(profile, max_tokens_field="max_tokens")
    return replace(profile, refused=profile.refused | {name})


def _since_the_assistant(sent: Mapping[str, Any]) -> list[Any]:
    """The messages that came with this turn: earlier ones did not make the server crash."""
    return list(takewhile(lambda message: message.get("role") != "assistant", reversed(sent.get("messages", ()))))


def _holds_images(sent: Mapping[str, Any]) -> bool:
    contents = (message.get("content") for message in sent.get("messages", ()))
    return any(part.get("type") == "image_url" for parts in contents if isinstance(parts, list) for part in parts)
