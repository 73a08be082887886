"""How a worker is measured. Each measure is one function: it asks a server, and gives figures by their names."""

import json
import statistics
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from math import nan
from typing import Any

import jsonschema
import question  # noqa: F401  (makes the tests' generators importable)
from failure import BenchError
from tests.support.filler import filler
from worker_report import Figures
from worker_servers import Server, Told

_TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": filler(400, name),
            "parameters": {
                "type": "object",
                "properties": {
                    "file_path": {"type": "string"},
                    "limit": {"type": "integer", "minimum": 0, "maximum": 1000},
                    "mode": {"enum": ["read", "write"]},
                },
                "required": ["file_path", "limit", "mode"],
                "additionalProperties": False,
            },
        },
    }
    for name in ("Read", "Write", "Grep", "Run")
]
_SEEK: Any = {
    "type": "function",
    "function": {
        "name": "Seek",
        "parameters": {
            "type": "object",
            "properties": {
                "mode": {"enum": ["set", "current", "end"]},
                "offset": {"type": "integer", "minimum": 0, "maximum": 1000},
                "marks": {"type": "array", "items": {"type": "boolean"}, "maxItems": 3},
            },
            "required": ["mode", "offset"],
            "additionalProperties": False,
        },
    },
}
_IDLE_SHARE = 0.15
_WINDOW = 0.2  # seconds
_labels = count()


@dataclass(frozen=True, slots=True)
class Size:
    """Bytes of prompts, turns of a session, requests of the soak."""

    system: int = 8_000
    long: int = 16_000
    turns: int = 20
    soak: int = 60


def fresh(size: int) -> dict[str, str]:
    """A system prompt that nobody has sent before."""
    label = f"{next(_labels)}-{time.time_ns()}"
    return {"role": "system", "content": f"{label}: {filler(size, label)}"}


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def session(server: Server, size: Size) -> Figures:
    """A tool loop as Claude Code's: the first turn cold, then in each turn a call and its result more."""
    asked: list[Any] = [fresh(size.system), user("Begin.")]
    told: list[Told] = []
    for turn in range(size.turns):
        told.append(server.ask(asked, tools=_TOOLS, max_tokens=8))
        call = {"name": "Read", "arguments": json.dumps({"file_path": f"{turn}.txt", "limit": turn, "mode": "read"})}
        asked += [
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"id": f"call_{turn}", "type": "function", "function": call}],
            },
            {"role": "tool", "tool_call_id": f"call_{turn}", "content": filler(300, str(turn))},
        ]
    return {
        "cold": told[0].first,
        "next-turn": statistics.median(each.first for each in told[1:]),
        "cold-cpu": told[0].cpu,
        "next-turn-cpu": statistics.median(each.cpu for each in told[1:]),
        "computed": sum(each.computed for each in told) / told[-1].prompt,
    }


def shared_prompt(server: Server, size: Size) -> Figures:
    """A second session with the same system prompt and tools."""
    system = fresh(size.system)
    server.ask([system, user("One.")], tools=_TOOLS, max_tokens=4)
    second = server.ask([system, user("Two.")], tools=_TOOLS, max_tokens=4)
    return {"same-system": second.first}


def contended(server: Server, size: Size) -> Figures:
    """A short request while a long prompt is computed."""
    with ThreadPoolExecutor() as pool:
        long = pool.submit(server.ask, [fresh(size.long), user("Long.")], max_tokens=4)
        time.sleep(0.3)
        short = server.ask([user(f"Short {next(_labels)}.")], max_tokens=4)
        behind = 0.0 if long.done() else 1.0
        return {
            "short": short.first,
            "long": long.result().first,
            "short-first": behind,
        }


def throughput(server: Server, size: Size) -> Figures:
    """Tokens a second of requests that decode together."""
    figures: Figures = {}
    for together in (1, 4, 8):
        with ThreadPoolExecutor(together) as pool:
            began = time.perf_counter()
            asked = [pool.submit(_decode, server) for _ in range(together)]
            tokens = sum(each.result().completion for each in asked)
            figures[f"speed-{together}"] = tokens / (time.perf_counter() - began)
    return figures


def _decode(server: Server) -> Told:
    return server.ask([user(f"Tell {next(_labels)}.")], max_tokens=96)


def disconnect(server: Server, size: Size) -> Figures:
    """From a closed connection to a process at rest, in the prompt and in the answer."""
    return {
        "left-prompt": _left(server, fresh(4 * size.long), in_answer=False),
        "left-answer": _left(server, fresh(200), in_answer=True),
    }


def _left(server: Server, system: dict[str, str], *, in_answer: bool) -> float:
    with ThreadPoolExecutor() as pool:
        leaving = pool.submit(_ask_and_leave, server, system, in_answer=in_answer)
        left = leaving.result()
    busy_until = left
    while time.perf_counter() - busy_until < 1.0 and time.perf_counter() - left < 120:
        before = server.child.cpu_seconds()
        time.sleep(_WINDOW)
        if server.child.cpu_seconds() - before > _IDLE_SHARE * _WINDOW:
            busy_until = time.perf_counter()
    return busy_until - left


def _ask_and_leave(server: Server, system: dict[str, str], *, in_answer: bool) -> float:
    """When the connection was closed. In the prompt a server may not even have sent its head."""
    import http.client

    link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    body = {"messages": [system, user("Go.")], "stream": True, "max_tokens": 4000, "temperature": 0}
    link.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
    if in_answer:
        answer = link.getresponse()
        while not answer.readline().startswith(b"data: {"):
            pass
    else:
        time.sleep(0.5)
    link.close()
    return time.perf_counter()


def repeat(server: Server, size: Size) -> Figures:
    """The very same request twice, and whether the server is still there after it."""
    asked = [fresh(size.system), user("Again.")]
    server.ask(asked, max_tokens=4)
    try:
        again = server.ask(asked, max_tokens=4).first
    except BenchError:
        again = nan
    return {"repeat": again, "alive": float(server.alive())}


def calls(server: Server, size: Size) -> Figures:
    """Calls that were demanded: how many answers came to one, and which of these are JSON of the tool's schema.

    The schema has no free text, which random weights would write without end; they may think without end all the same.
    """
    made = good = 0
    for number in range(10):
        asked = [user(f"Call a tool, {number}.")]
        told = server.ask(
            asked, tools=[_SEEK], tool_choice="required", parallel_tool_calls=False, max_tokens=400, temperature=1
        )
        made += bool(told.message["tool_calls"])
        good += bool(told.message["tool_calls"]) and all(map(_is_valid, told.message["tool_calls"]))
    return {"calls-made": made * 10.0, "calls-valid": 100 * good / made if made else nan}


def _is_valid(call: Mapping[str, str]) -> bool:
    try:
        jsonschema.validate(json.loads(call["arguments"]), _SEEK["function"]["parameters"])
    except (ValueError, jsonschema.ValidationError):
        return False
    return call["name"] == "Seek"


def soak(server: Server, size: Size) -> Figures:
    """Memory before and after many requests with prompts of their own, four at a time."""
    server.ask([fresh(size.system), user("Warm up.")], max_tokens=4)
    before = server.child.rss_mb()
    with ThreadPoolExecutor(4) as pool:
        asked = [
            pool.submit(server.ask, [fresh(size.system // 4), user("Go.")], max_tokens=8) for _ in range(size.soak)
        ]
        for each in asked:
            each.result()
    return {"memory": server.child.rss_mb() - before}


MEASURES: Mapping[str, Callable[[Server, Size], Figures]] = {
    "session": session,
    "shared": shared_prompt,
    "contended": contended,
    "throughput": throughput,
    "disconnect": disconnect,
    "calls": calls,
    "soak": soak,
    "repeat": repeat,
}
"""In the order in which they are made: the last may end a server for good."""
