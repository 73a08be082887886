"""What other models left in a conversation and Claude refuses: made fit before the conversation goes to Claude.

A session that changes to Claude with `/model`, a fallback, or `--continue` in claude mode brings turns of other models
along. Three things of theirs Claude answers with a 400, and goes on answering so for the rest of the session:

- thinking without Anthropic's signature: local models give none, which Claude Code sends back as an empty one
  (observed with 2.1.197), and OpenRouter's travels in an envelope of ours (`convert.reasoning`);
- ids of calls with other characters than `[a-zA-Z0-9_-]`, such as Kimi's `functions.Read:0`;
- the input of a call that is no object, because the model wrote broken JSON.

And in the middle of a turn with calls, `thinking: enabled` needs thinking of that turn, which another model cannot
give: for the rest of such a turn it is left out. Adaptive thinking has no such rule. Source:
https://platform.claude.com/docs/build-with-claude/thinking-tool-workflows

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
    if not _same(fitted, messages):
        request = {**request, "messages": fitted}
    return _without_thinking(request) if _asks_for_more(request.get("thinking"), fitted) else request


def _asks_for_more(thinking: Any, messages: list[Any]) -> bool:
    """Whether thinking is wanted of a turn that is under way and had none."""
    if not isinstance(thinking, dict) or thinking.get("type") != "enabled":
        return False
    kinds: set[str] = set()
    for role, found in map(_kinds, reversed(messages)):
        if role == "assistant":
            kinds |= found
        elif role == "user" and "tool_result" not in found:
            break
    return "tool_use" in kinds and not kinds & {"thinking", "redacted_thinking"}


def _kinds(message: Any) -> tuple[Any, set[str]]:
    """A message's role, and the types of its blocks."""
    if not isinstance(message, dict):
        return None, set()
    content = message.get("content")
    kinds = [block.get("type") for block in content if isinstance(block, dict)] if isinstance(content, list) else []
    return message.get("role"), {kind for kind in kinds if isinstance(kind, str)}


def _without_thinking(request: Mapping[str, Any]) -> dict[str, Any]:
    """With it goes the clearing of old thinking, which is refused where there is none."""
    left = {name: value for name, value in request.items() if name != "thinking"}
    management = left.get("context_management")
    edits = management.get("edits") if isinstance(management, dict) else None
    if not isinstance(management, dict) or not isinstance(edits, list):
        return left
    kept = [edit for edit in edits if not _clears_thinking(edit)]
    if kept:
        return {**left, "context_management": {**management, "edits": kept}}
    del left["context_management"]
    return left


def _clears_thinking(edit: Any) -> bool:
    kind = edit.get("type") if isinstance(edit, dict) else None
    return isinstance(kind, str) and kind.startswith("clear_thinking")


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
