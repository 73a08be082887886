"""What a request is for, by its shape: the texts in it change from version to version (observed with 2.1.197)."""

from collections.abc import Mapping
from typing import Any

from anyclaude.convert.tools import is_client_tool


def is_background(request: Mapping[str, Any]) -> bool:
    """Whether this is one of the small jobs beside the conversation: a session's title, the summary of a web page.

    Those come with an empty list of tools and without `thinking`, which for a model of Claude's is said to be disabled.
    The permission classifier, which must not go to a lesser model, has no list at all.
    """
    thinks = request.get("thinking") not in (None, {"type": "disabled"})
    return request.get("tools") == [] and not thinks and not request.get("stop_sequences")


def is_classifier(request: Mapping[str, Any]) -> bool:
    """Whether it is the permission classifier of auto mode: without tools, and with stop sequences. Nothing is run
    before it has answered, and it gives up after a minute (observed with 2.1.197).
    """
    return bool(not request.get("tools") and request.get("stop_sequences"))


def is_small(request: Mapping[str, Any]) -> bool:
    """Whether its answer is short and somebody waits for it, so that it should not stand in line behind large ones."""
    return is_background(request) or is_classifier(request)


def is_beside(request: Mapping[str, Any]) -> bool:
    """Whether it is none of the conversation itself: small, or a search of the web, whose one tool is Anthropic's."""
    return is_small(request) or not all(map(is_client_tool, request.get("tools") or ()))
