"""What other models left in a conversation and Claude refuses: made fit before the conversation goes to Claude.

A session that changes to Claude with `/model`, a fallback, or `--continue` in claude mode brings turns of other models
along. Three things of theirs Claude answers with a 400, and goes on answering so for the rest of the session:

- thinking without Anthropic's signature: local models give none, which Claude Code sends back as an empty one
  (observed with 2.1.197), and OpenRouter's travels in an envelope of ours (`convert.reasoning`);
- ids of calls with other characters than `[a-zA-Z0-9_-]`, such as Kimi's `functions.Read:0`;
- the input of a call that is no object, because the model wrote broken JSON.

What Claude itself said has none of these, so that a conversation with Claude alone is returned as it came.
"""

import re
from collections.abc import Mapping
from hashlib import sha256
from operator import is_
from typing import Any, Final

from anyclaude.convert.reasoning import PREFIX

_ID: Final = re.compile(r"[a-zA-Z0-9_-]+")
_IDS: Final = {"tool_use": "id", "tool_result": "tool_use_id"}
_NOTHING: Final = {"type": "text", "text": "(no content)"}
"""Stands where only thinking was: Claude takes neither an empty list of blocks nor an empty text."""


def fit_for_claude(request: Mapping[str, Any]) -> Mapping[str, Any]:
    """The request without what Claude refuses of other models; the very same object where there is nothing of it.

    What has not the shape of a Messages request is left for Claude to judge. Ids are replaced by what is computed from
    them, so that call and result still meet and the same turn looks the same in every request.
    """
    messages = request.get("messages")
    if not isinstance(messages, list):
        return request
    fitted = [_message(message) for message in messages]
    return request if _same(fitted, messages) else {**request, "messages": fitted}


def _message(message: Any) -> Any:
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(content, list):
        return message
    blocks = [_block(block) for block in content if not _is_foreign_thinking(block)]
    return message if _same(blocks, content) else {**message, "content": blocks or [_NOTHING]}


def _same(fitted: list[Any], given: list[Any]) -> bool:
    return len(fitted) == len(given) and all(map(is_, fitted, given))


def _is_foreign_thinking(block: Any) -> bool:
    if not isinstance(block, dict) or block.get("type") != "thinking":
        return False
    signature = block.get("signature")
    return not isinstance(signature, str) or not signature or signature.startswith(PREFIX)


def _block(block: Any) -> Any:
    kind = block.get("type") if isinstance(block, dict) else None
    if not isinstance(kind, str) or kind not in _IDS:
        return block
    name = _IDS[kind]
    changed: dict[str, Any] = {}
    if isinstance(given := block.get(name), str) and not _ID.fullmatch(given):
        changed[name] = _minted(given)
    if name == "id" and not isinstance(block.get("input"), dict):
        changed["input"] = _object(block.get("input"))
    return {**block, **changed} if changed else block


def _minted(foreign: str) -> str:
    return f"toolu_{sha256(foreign.encode(errors='surrogatepass')).hexdigest()[:24]}"


def _object(arguments: Any) -> dict[str, Any]:
    """What the model wrote stays readable, since the result that follows complains about it."""
    return {"arguments": arguments} if arguments else {}
