"""What is fuzzed: what a client asks, and its conversion."""

import json
from typing import Any, Final

from anyclaude.convert.profile import Profile
from anyclaude.convert.request import convert_request
from anyclaude.convert.validate import validate_request
from anyclaude.errors import InvalidRequest
from anyclaude.wire.json import encode
from tests.support.fuzzing.source import Source

_BLOCKS: Final = (
    *(
        "type",
        "text",
        "tool_use",
        "tool_result",
        "image",
        "thinking",
        "redacted_thinking",
        "document",
        "content",
        "id",
        "name",
    ),
    *(
        "input",
        "tool_use_id",
        "is_error",
        "source",
        "base64",
        "media_type",
        "data",
        "signature",
        "cache_control",
        "url",
        "title",
    ),
    *(
        "server_tool_use",
        "web_search_tool_result",
        "search_result",
        "tool_reference",
        "Bash",
        "a",
        "image/png",
        "citations",
    ),
)
_REQUEST: Final = (
    *(
        "model",
        "max_tokens",
        "messages",
        "system",
        "tools",
        "tool_choice",
        "temperature",
        "top_p",
        "top_k",
        "stop_sequences",
    ),
    *(
        "thinking",
        "metadata",
        "stream",
        "output_config",
        "output_format",
        "service_tier",
        "context_management",
        "betas",
    ),
)
_PROFILES: Final = (
    Profile(),
    Profile(tools=False, images=False),
    Profile(images=True, documents=True, named_tool_choice=True, none_tool_choice=True, reasoning_details=True),
    Profile(plain_schemas=True, short_call_ids=True, thinking_field="reasoning_content", deferred_tools=True),
)


def request(given: bytes) -> None:
    """What is valid is converted, to JSON that is whole; what is not is refused in one sentence."""
    source = Source(given)
    asked: Any = {"model": "m", "max_tokens": 9, "messages": [_turn(source) for _ in range(source.below(6))]}
    while source.left > 0:
        asked[source.name(_REQUEST)] = source.value(
            (*_BLOCKS, *_REQUEST, "object", "properties", "required", "input_schema")
        )
    try:
        validate_request(asked)
        body = convert_request(asked, source.pick(_PROFILES), "m")
    except InvalidRequest:
        return
    decoded = json.loads(encode(body))
    made = {call["id"] for turn in decoded["messages"] for call in turn.get("tool_calls") or ()}
    answered = [turn["tool_call_id"] for turn in decoded["messages"] if turn["role"] == "tool"]
    assert set(answered) <= made, "a result of a call that is not there"


def _turn(source: Source) -> dict[str, Any]:
    role = (
        source.pick(("user", "assistant", "system", "tool"))
        if source.byte() % 16 == 0
        else source.pick(("user", "assistant"))
    )
    if source.byte() % 2:
        return {"role": role, "content": source.text()}
    return {"role": role, "content": [_block(source) for _ in range(source.below(4))]}


def _block(source: Source) -> Any:
    match source.below(6):
        case 0:
            return {"type": "text", "text": source.text()}
        case 1:
            return {"type": "tool_use", "id": source.pick("abc"), "name": "Bash", "input": source.value(_BLOCKS)}
        case 2:
            return {"type": "tool_result", "tool_use_id": source.pick("abc"), "content": source.value(_BLOCKS)}
        case 3:
            return {"type": "thinking", "thinking": source.text(), "signature": source.text()}
        case 4:
            return {source.name(_BLOCKS): source.value(_BLOCKS), "type": source.pick(_BLOCKS)}
    return source.value(_BLOCKS)
