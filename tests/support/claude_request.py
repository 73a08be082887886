"""Makes Messages requests of the shape and size that Claude Code 2.1.197 sends, with filler text of our own.

The shape is the observed one: three system blocks (attribution line, identity, prompt), a first user message
of a reminder and the prompt, a `role: "system"` entry after it, tools with JSON-Schema 2020-12, tool calls and
results as history, the cache mark on the last block of the last message that is not a system one. Every text
is drawn from a seeded generator of its own: a request is the same in every run, and one of n+1 turns begins
with the one of n turns (but for the cache mark, which moves).
"""

import random
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from tests.support.filler import filler

SIZE = 85_000
"""Bytes of a first request of `claude -p` with an unknown model id (85,459 were observed)."""

TOOL_COUNT = 25
SESSION_ID = "5eed0000-0000-4000-8000-000000000001"

_SCHEMA = "https://json-schema.org/draft/2020-12/schema"
_EPHEMERAL = {"type": "ephemeral"}

# Most wanted first: a request with n tools has the first n of these, in the order of their names.
_TOOLS = (
    "Bash Read Edit Write Agent WebFetch WebSearch TaskCreate TaskGet TaskList TaskUpdate TaskStop "
    "TaskOutput NotebookEdit Skill SendMessage EnterWorktree ExitWorktree CronCreate CronDelete CronList "
    "ScheduleWakeup ReportFindings DesignSync Workflow"
)
_TOOL_NAMES = _TOOLS.split()

# Parameters of the tools that tests call; the other tools get made-up ones.
_PARAMETERS: dict[str, tuple[str, ...]] = {
    "Bash": ("command!", "timeout:number", "description", "run_in_background:boolean"),
    "Read": ("file_path!", "offset:integer", "limit:integer"),
    "Edit": ("file_path!", "old_string!", "new_string!", "replace_all:boolean"),
    "Write": ("file_path!", "content!"),
}
_FIRST_PARAMETER = "subject!"
_MORE_PARAMETERS = ("detail", "count:integer", "urgent:boolean", "kind:enum", "steps:array", "extra:object")

# Share of the filler, as in the observed request: 6 KB of system prompt, 6 KB of agent listing and the rest
# in the tools, where a single one has 21 KB.
_SYSTEM_SHARE = _LISTING_SHARE = 0.08
_HEAVY_TOOL_SHARE = 0.3


def messages_request(
    *,
    size: int | None = SIZE,
    tools: int = TOOL_COUNT,
    turns: int = 0,
    model: str = "qwen3",
    seed: int = 1,
    stream: bool = True,
) -> dict[str, Any]:
    """A Messages request of exactly `size` bytes as compact JSON, after `turns` rounds of tool calls.

    Up to `SIZE` the filler goes into system prompt and tools; what is over goes into the latest tool result
    or prompt. With `size` None the prompt has `SIZE` bytes and the turns come on top: so does a session grow,
    where each request begins with the one before it.

    Raises ValueError when the bare structure is bigger than `size`.
    """
    request = _bare(tools, turns, model, seed, stream)
    bare = len(encode(request))
    if size is not None and bare > size:
        raise ValueError(f"{tools} tools and {turns} turns need at least {bare} bytes, not {size}")
    without_turns = len(encode(_bare(tools, 0, model, seed, stream)))
    prompt_room = max(SIZE - without_turns, 0)
    room = prompt_room if size is None else size - bare
    _fill_prompt(request, min(room, prompt_room), seed)
    if size is not None:
        _lengthen_latest(request, size - len(encode(request)), seed)
    return request


def encode(request: Mapping[str, Any]) -> bytes:
    """The request as Claude Code writes it: compact JSON, non-ASCII letters as UTF-8."""
    return orjson.dumps(request)


def request_headers(token: str = "test-token") -> dict[str, str]:
    """The headers of `claude -p` 2.1.197 without those of the connection."""
    return {
        "Accept": "application/json",
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "User-Agent": "claude-cli/2.1.197 (external, sdk-cli)",
        "X-Claude-Code-Session-Id": SESSION_ID,
        "X-Stainless-Arch": "x64",
        "X-Stainless-Lang": "js",
        "X-Stainless-OS": "Linux",
        "X-Stainless-Package-Version": "0.94.0",
        "X-Stainless-Retry-Count": "0",
        "X-Stainless-Runtime": "node",
        "X-Stainless-Runtime-Version": "v26.3.0",
        "X-Stainless-Timeout": "600",
        "anthropic-beta": "claude-code-20250219,context-management-2025-06-27,effort-2025-11-24",
        "anthropic-dangerous-direct-browser-access": "true",
        "anthropic-version": "2023-06-01",
        "x-app": "cli",
        "Accept-Encoding": "gzip, deflate, br, zstd",
    }


def _bare(tools: int, turns: int, model: str, seed: int, stream: bool) -> dict[str, Any]:
    """The whole structure with short texts, keys in the order of the wire."""
    messages = [*_opening(), *(message for turn in range(turns) for message in _turn(turn, seed))]
    _last_spoken(messages)["content"][-1]["cache_control"] = _EPHEMERAL
    request: dict[str, Any] = {
        "model": model,
        "messages": messages,
        "system": _system(),
        "tools": [_tool(name, seed) for name in _names(tools)],
        "metadata": {"user_id": _user_id(seed)},
        "max_tokens": 32000,
        "thinking": {"type": "adaptive"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "output_config": {"effort": "high"},
    }
    return request | {"stream": True} if stream else request


def _system() -> list[dict[str, Any]]:
    attribution = "x-anthropic-billing-header: cc_version=2.1.197.0a1; cc_entrypoint=sdk-cli;"
    return [
        {"type": "text", "text": attribution},
        {"type": "text", "text": "This line says who the assistant is.", "cache_control": _EPHEMERAL},
        {"type": "text", "text": "\nThis is the prompt.\n\n# Environment\n", "cache_control": _EPHEMERAL},
    ]


def _opening() -> list[dict[str, Any]]:
    reminder = "<system-reminder>\nSome context.\n# currentDate\nIt is 2026-11-22.\n</system-reminder>\n\n"
    return [
        {
            "role": "user",
            "content": [_text(reminder), _text("Look around and write it down.")],
        },
        {"role": "system", "content": "These agents and skills are available:\n"},
    ]


def _turn(turn: int, seed: int) -> Iterator[dict[str, Any]]:
    """One round of calls and results. Every third has two calls, whose results come in the other order."""
    calls = [_call(turn, place, seed) for place in range(2 if turn % 3 == 2 else 1)]
    said = [_text(f"Step {turn + 1}.")] if turn % 2 == 0 else []
    yield {"role": "assistant", "content": [*said, *calls]}
    yield {"role": "user", "content": [_result(call, turn, seed) for call in reversed(calls)]}


def _call(turn: int, place: int, seed: int) -> dict[str, Any]:
    path = f"/home/dev/project/part_{turn}_{place}.txt"
    name, arguments = (
        ("Bash", {"command": f"ls -la && cat {path}", "description": "Look at a part"}),
        ("Read", {"file_path": path}),
        ("Edit", {"replace_all": False, "file_path": path, "old_string": "before", "new_string": "after\n"}),
        ("Write", {"file_path": path, "content": filler(200, f"{seed}/content/{turn}/{place}")}),
    )[(turn + place) % 4]
    call_id = f"toolu_{random.Random(f'{seed}/id/{turn}/{place}').randbytes(10).hex()}"
    return {"type": "tool_use", "id": call_id, "name": name, "input": arguments}


def _result(call: Mapping[str, Any], turn: int, seed: int) -> dict[str, Any]:
    failed = turn % 5 == 4
    text = filler(400, f"{seed}/{call['id']}")
    text = f"<tool_use_error>{text[:80]}</tool_use_error>" if failed else text
    result = {"tool_use_id": call["id"], "type": "tool_result", "content": text}
    return result | {"is_error": True} if failed else result


def _names(count: int) -> list[str]:
    """The names of `count` tools, in order; those beyond Claude Code's own are an MCP server's."""
    extra = [f"mcp__shelf__tool_{number:03}" for number in range(count - len(_TOOL_NAMES))]
    return sorted(_TOOL_NAMES[:count]) + extra


def _tool(name: str, seed: int) -> dict[str, Any]:
    specs = _PARAMETERS.get(name) or _made_up_parameters(name, seed)
    parameters = dict(_parameter(spec, name, seed) for spec in specs)
    schema = {
        "$schema": _SCHEMA,
        "type": "object",
        "properties": parameters,
        "required": [spec.rstrip("!") for spec in specs if spec.endswith("!")],
        "additionalProperties": False,
    }
    return {"name": name, "description": f"{name} does one thing.", "input_schema": schema}


def _made_up_parameters(name: str, seed: int) -> tuple[str, ...]:
    source = random.Random(f"{seed}/{name}")
    return (_FIRST_PARAMETER, *source.sample(_MORE_PARAMETERS, source.randint(1, 4)))


def _parameter(spec: str, tool: str, seed: int) -> tuple[str, dict[str, Any]]:
    name, _, kind = spec.rstrip("!").partition(":")
    description = {"description": filler(40, f"{seed}/{tool}/{name}")}
    kinds: dict[str, dict[str, Any]] = {
        "enum": {"type": "string", "enum": ["small", "medium", "large"]},
        "array": {"type": "array", "items": {"type": "string"}, "maxItems": 8},
        "object": {
            "type": "object",
            "properties": {"key": {"type": "string"}},
            "additionalProperties": False,
        },
    }
    return name, description | kinds.get(kind, {"type": kind or "string"})


def _user_id(seed: int) -> str:
    device = random.Random(f"{seed}/device").randbytes(32).hex()
    return orjson.dumps({"device_id": device, "account_uuid": "", "session_id": SESSION_ID}).decode()


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _last_spoken(messages: list[dict[str, Any]]) -> dict[str, Any]:
    return next(message for message in reversed(messages) if message["role"] != "system")


def _fill_prompt(request: dict[str, Any], room: int, seed: int) -> None:
    """Spread `room` bytes over system prompt, agent listing and tool descriptions."""
    for_system, for_listing = int(room * _SYSTEM_SHARE), int(room * _LISTING_SHARE)
    request["system"][2]["text"] += filler(for_system, f"{seed}/system")
    listing = next(message for message in request["messages"] if message["role"] == "system")
    listing["content"] += filler(for_listing, f"{seed}/listing")
    tools = request["tools"]
    for tool, share in zip(tools, _spread(room - for_system - for_listing, len(tools)), strict=True):
        tool["description"] += filler(share, f"{seed}/{tool['name']}")


def _spread(room: int, places: int) -> list[int]:
    """Uneven shares that add up to `room`: the last but one is the heavy one, the others rise."""
    if places < 2:
        return [room] * places
    weights = [1 + place % 5 for place in range(places)]
    weights[-2] = int(sum(weights) * _HEAVY_TOOL_SHARE / (1 - _HEAVY_TOOL_SHARE))
    shares = [room * weight // sum(weights) for weight in weights]
    shares[-1] += room - sum(shares)
    return shares


def _lengthen_latest(request: dict[str, Any], room: int, seed: int) -> None:
    """Put what is left into the latest tool result, or into the prompt when there is none."""
    block = _last_spoken(request["messages"])["content"][-1]
    key = "content" if block["type"] == "tool_result" else "text"
    block[key] += filler(room, f"{seed}/latest")
