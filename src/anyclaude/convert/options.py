"""Everything of a request that is neither a message nor a tool: sampling, thinking, the form of the
answer."""

from collections.abc import Mapping
from typing import Any, Final

from anyclaude.convert.profile import Profile

_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

_SAME_NAME = ("temperature", "top_p")

OPTIONAL: Final = frozenset(
    ("temperature", "top_p", "top_k", "stop", "tool_choice", "parallel_tool_calls", "response_format", "reasoning")
)
"""What a model's list of parameters is asked about; all else goes to every model."""


def sampling_fields(request: Mapping[str, Any], profile: Profile) -> dict[str, Any]:
    names = (*_SAME_NAME, "top_k") if profile.top_k else _SAME_NAME
    fields = _bound_of_answer(request, profile)
    fields |= {name: value for name in names if (value := request.get(name)) is not None}
    if stop := request.get("stop_sequences"):
        fields["stop"] = stop
    return fields


def _bound_of_answer(request: Mapping[str, Any], profile: Profile) -> dict[str, Any]:
    """`max_tokens` under the name that the server has for it, not beyond what the model can write."""
    wanted = request.get("max_tokens")
    if wanted is None:
        return {}
    return {profile.max_tokens_field: min(wanted, profile.max_output) if profile.max_output else wanted}


def thinking_fields(request: Mapping[str, Any], profile: Profile) -> dict[str, Any]:
    """The thinking switch and `reasoning_effort`. A request without `thinking` wants none (Claude Code's
    titles)."""
    thinks = (request.get("thinking") or {}).get("type", "disabled") != "disabled"
    if profile.reasoning_details:
        return {"reasoning": _reasoning(request, profile) if thinks else _no_reasoning(profile)}
    fields: dict[str, Any] = {}
    if profile.thinking_switch:
        fields["chat_template_kwargs"] = {profile.thinking_variable: thinks}
    wanted = (request.get("output_config") or {}).get("effort")
    effort = nearest_effort(wanted, profile.efforts) if thinks else _effort_without_thinking(wanted, profile.efforts)
    if effort is not None:
        fields["reasoning_effort"] = effort
    return fields


def _reasoning(request: Mapping[str, Any], profile: Profile) -> dict[str, Any]:
    """OpenRouter's `reasoning`: the effort, else the budget (it takes only one of them), else just on."""
    wanted = (request.get("output_config") or {}).get("effort")
    if effort := nearest_effort(wanted, profile.efforts or _EFFORTS):
        return {"effort": effort}
    budget = (request.get("thinking") or {}).get("budget_tokens")
    return {"max_tokens": budget} if isinstance(budget, int) and not profile.efforts else {"enabled": True}


def _no_reasoning(profile: Profile) -> dict[str, Any]:
    if not profile.reasoning_mandatory:
        return {"enabled": False}
    least = nearest_effort("none", profile.efforts)
    return {"effort": least} if least else {"enabled": True}


def _effort_without_thinking(wanted: object, efforts: tuple[str, ...]) -> str | None:
    """`none` where the model takes it; else what was asked for, and when nothing was, the least there is."""
    if "none" in efforts:
        return "none"
    return nearest_effort(wanted, efforts) or nearest_effort("none", efforts)


def nearest_effort(wanted: object, efforts: tuple[str, ...]) -> str | None:
    """The value of `efforts` closest to `wanted`, the lower one of two; None for a word nobody knows."""
    if wanted in efforts:
        return str(wanted)
    known = [effort for effort in efforts if effort in _EFFORTS]
    if wanted not in _EFFORTS or not known:
        return None
    rank = _EFFORTS.index(wanted)
    return min(known, key=lambda effort: abs(_EFFORTS.index(effort) - rank))


def wanted_format(request: Mapping[str, Any]) -> object:
    """The form of the answer that is asked for: `output_config.format`, once `output_format`, which Anthropic's API
    still takes (https://docs.claude.com/en/docs/build-with-claude/structured-outputs)."""
    config = request.get("output_config")
    named = config.get("format") if isinstance(config, Mapping) else None
    return named if named is not None else request.get("output_format")


def format_fields(request: Mapping[str, Any], profile: Profile, *, with_tools: bool) -> dict[str, Any]:
    """The form that is asked for as `response_format`, where the server enforces it.

    Where it does not, nothing is sent: Claude Code says in the prompt too what form it wants.
    """
    enforced = profile.response_format_with_tools if with_tools else True
    match wanted_format(request):
        case {"type": "json_schema", "schema": dict(schema)} if profile.response_format and enforced:
            named = {"name": "response", "schema": schema, "strict": True}
            return {"response_format": {"type": "json_schema", "json_schema": named}}
    return {}
