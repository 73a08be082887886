"""Why an answer ended: the upstreams' many words for it, as Anthropic's stop reasons."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from anyclaude.wire.events import Finished, StopReason

_REASONS: Final[Mapping[str, StopReason]] = {
    "length": "max_tokens",
    "max_tokens": "max_tokens",
    "model_length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "tool_use": "tool_use",
    "content_filter": "refusal",
    "refusal": "refusal",
}


def convert_finish(choice: Mapping[str, Any], called_tools: bool, stop_sequences: Collection[str]) -> Finished:
    """A choice that carries a `finish_reason`, as `Finished`.

    An upstream that says `stop` after tool calls means `tool_use`. One that says `tool_calls` without any lost a call
    that it could not parse; that stays `tool_use`, since Claude Code then asks the model to repeat the call. OpenAI's
    format does not tell which stop string matched; vLLM does in `stop_reason`, SGLang in `matched_stop`.
    """
    reason = _REASONS.get(str(choice["finish_reason"]).lower(), "end_turn")
    if reason != "end_turn":
        return Finished(reason)
    if called_tools:
        return Finished("tool_use")
    matched = choice.get("stop_reason") or choice.get("matched_stop")
    if isinstance(matched, str) and matched in stop_sequences:
        return Finished("stop_sequence", matched)
    return Finished("end_turn")
