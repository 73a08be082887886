"""The `system` of a request as a list of texts, and back: only text blocks are read and only they are ever changed."""

from collections.abc import Mapping
from typing import Any


def texts(system: Any) -> list[str]:
    """The text of each text block, in order; a plain string is one. Anything else has none."""
    if isinstance(system, str):
        return [system]
    return [block["text"] for block in system if _is_text(block)] if isinstance(system, list) else []


def replaced(system: Any, new: Mapping[int, str]) -> Any:
    """The system with new texts, by their number among the text blocks; a text missing in `new` loses its block.

    The `cache_control` of a lost block goes to the text block before it, if that has none: up to there, the prompt is
    still worth keeping. The given value is not changed.
    """
    if isinstance(system, str):
        return new.get(0, "")
    result: list[Any] = []
    number = -1
    for block in system:
        number += _is_text(block)
        if not _is_text(block):
            result.append(block)
        elif number in new:
            result.append(block if block["text"] == new[number] else {**block, "text": new[number]})
        else:
            _hand_on(block, result)
    return result


def _hand_on(lost: Mapping[str, Any], kept: list[Any]) -> None:
    if "cache_control" in lost and kept and _is_text(kept[-1]):
        kept[-1] = {"cache_control": lost["cache_control"]} | kept[-1]


def _is_text(block: Any) -> bool:
    return isinstance(block, dict) and block.get("type") == "text" and isinstance(block.get("text"), str)
