"""Traces of conversations that nobody had, as the store would have written them: for pages, charts and screenshots.

A `Story` is one session. It keeps what was said so far, as Claude Code does, and makes counts and times of its size: a
prompt costs what of it is new, at the speed of the model. All texts are our own.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Blocks = list[dict[str, Any]]

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC).timestamp()
_BYTES_A_TOKEN = 4

SYSTEM = (
    "You are a careful engineer who works in a terminal, with the tools below.",
    "# How to work\nRead before you change. Keep changes small. Run the tests.\n\n# Tone\nShort and plain.\n\n"
    "# Environment\nFolder: /home/kim/tides\nPlatform: linux\n\n# gitStatus\nBranch: main\nStatus:\n(clean)\n",
)
TOOLS = {
    "Read": "Reads a file and numbers its lines.",
    "Grep": "Looks for a pattern in files.",
    "Edit": "Replaces one piece of a file by another.",
    "Bash": "Runs a command and gives back what it printed.",
    "Agent": "Starts a subagent with a task of its own.",
}
_WORDY = "Give paths from the root of the project. Say in a few words what the call is for. " * 12


@dataclass
class Story:
    """One session. read_rate, write_rate: tokens a second. price: dollars for a million prompt tokens, None: local."""

    home: Path
    session: str
    mode: str = "lmstudio"
    model: str = "qwen3-coder-30b"
    at: float = NOON
    client: str = "2.1.197"
    read_rate: float = 900.0
    write_rate: float = 48.0
    price: float | None = None
    system: tuple[str, ...] = SYSTEM
    tools: Mapping[str, str] = field(default_factory=lambda: dict(TOOLS))
    _said: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    _before: dict[str, tuple[int, int]] = field(default_factory=dict)
    _number: int = 0

    def turn(
        self,
        said: str | Blocks,
        answer: str | Blocks,
        *,
        agent: str = "",
        notes: Sequence[Mapping[str, Any]] = (),
        broken: tuple[str, str] | None = None,
        waits: float = 0.0,
        beside: bool = False,
        **record: Any,
    ) -> str:
        """One request and its answer; its id. broken: cause and block of a prompt that does not begin with the last
        one. waits: seconds before it goes upstream. beside: a small job with a prompt of its own.
        """
        messages = [] if beside else self._said.setdefault(agent, [])
        messages.append({"role": "user", "content": said})
        body = self._body(messages, beside)
        content = [{"type": "text", "text": answer}] if isinstance(answer, str) else answer
        made = self._record(body, content, agent, [dict(note) for note in notes], broken, waits) | record
        messages.append({"role": "assistant", "content": content})
        self._write(made)
        self.at += made["timings_ms"].get("end", 0) / 1000 + 4
        return str(made["id"])

    def _body(self, messages: Sequence[Any], beside: bool) -> dict[str, Any]:
        system = ["You name things."] if beside else self.system
        tools = [] if beside else [_tool(name, about) for name, about in self.tools.items()]
        return {
            "model": "claude-sonnet-4-5" if self.mode == "claude" else self.model,
            "max_tokens": 512 if beside else 32000,
            "stream": True,
            "system": [{"type": "text", "text": text} for text in system],
            "tools": tools,
            "messages": [*messages],
        }

    def _record(
        self, body: dict[str, Any], content: Blocks, agent: str, notes: Blocks, broken: Any, waits: float
    ) -> dict[str, Any]:
        self._number += 1
        upstream = _upstream(body, self.model)
        size = len(json.dumps(upstream)) + 60_000 * bool(body["tools"])
        prompt, output = size // _BYTES_A_TOKEN, len(json.dumps(content)) // _BYTES_A_TOKEN + 20
        known = self._before.get(agent, (0, 0)) if body["tools"] else (0, 0)
        kept = min(known[0], size) if broken is None else size // 12
        cached = kept // _BYTES_A_TOKEN // 256 * 256
        if body["tools"]:
            if known[0]:
                cause, block = broken or (None, None)
                notes.append(_note("prefix", 2, kept_bytes=kept, before_bytes=known[0], cause=cause, block=block))
            self._before[agent] = (size, prompt)
        first = 1000 * waits + 1000 * (prompt - cached) / self.read_rate + 60
        usage: dict[str, Any] = {"input_tokens": prompt - cached, "cache_read_input_tokens": cached}
        usage |= {"output_tokens": output, "prompt_tokens": prompt, "cached_tokens": cached}
        if self.price is not None:
            usage["cost"] = round(((prompt - cached) + 0.1 * cached + 4 * output) * self.price / 1e6, 6)
        return {
            "id": f"req_{self.session[:8]}{self._number:04d}",
            "time": datetime.fromtimestamp(self.at, UTC).isoformat(timespec="milliseconds"),
            "mode": self.mode,
            "session": self.session,
            "agent": agent or None,
            "request": {"method": "POST", "path": "/v1/messages", "headers": self._headers(agent), "body": body},
            "upstream": [{"at_ms": round(1000 * waits + 3, 1), "body": upstream}],
            "response": {"status": 200, "body": _message(content, self.model)},
            "timings_ms": {
                "accepted": round(1000 * waits + 12, 1),
                "first_event": round(first, 1),
                "first_token": round(first + 18, 1),
                "end": round(first + 18 + 1000 * output / self.write_rate, 1),
            },
            "usage": usage,
            "notes": [_note("route", 1, to=f"{self.mode}:{self.model}", reason="the main model"), *notes],
            "outcome": "complete",
            "error": None,
        }

    def _headers(self, agent: str) -> dict[str, str]:
        named = {"x-claude-code-agent-id": agent} if agent else {}
        own = {"user-agent": f"claude-cli/{self.client} (external, cli)", "authorization": "[redacted]"}
        return {**own, "x-claude-code-session-id": self.session, **named}

    def _write(self, record: Mapping[str, Any]) -> None:
        folder = self.home / "traces" / self.mode
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        stamp = datetime.fromtimestamp(self.at, UTC)
        short = "".join(filter(str.isalnum, str(record["id"])))[-8:]
        name = f"trace-{stamp:%Y%m%d-%H%M%S}-{stamp.microsecond // 1000:03d}-{short}.json"
        (folder / name).write_text(json.dumps(record) + "\n")


def call(name: str, number: int, **arguments: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": f"toolu_{number:04d}", "name": name, "input": arguments}


def result(number: int, content: Any, *, error: bool = False) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": f"toolu_{number:04d}", "content": content, "is_error": error}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def thinking(words: str) -> dict[str, Any]:
    return {"type": "thinking", "thinking": words, "signature": ""}


def _note(kind: str, at_ms: float, **facts: Any) -> dict[str, Any]:
    return {**facts, "kind": kind, "at_ms": at_ms}


def _message(content: Blocks, model: str) -> dict[str, Any]:
    stop = "tool_use" if content and content[-1]["type"] == "tool_use" else "end_turn"
    return {"role": "assistant", "model": model, "content": content, "stop_reason": stop}


def _tool(name: str, about: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"subject": {"type": "string"}}, "required": ["subject"]}
    return {"name": name, "description": f"{about} {_WORDY}", "input_schema": schema}


def _upstream(body: Mapping[str, Any], model: str) -> dict[str, Any]:
    """In OpenAI's shape, with the tools' descriptions cut, as the prompt chain would."""
    system = {"role": "system", "content": "\n\n".join(block["text"] for block in body["system"])}
    tools = [
        {"type": "function", "function": {"name": tool["name"], "description": tool["description"][:60]}}
        for tool in body["tools"]
    ]
    said = [{"role": each["role"], "content": _flat(each["content"])} for each in body["messages"]]
    return {"model": model, "stream": True, "messages": [system, *said], "tools": tools}


def _flat(content: Any) -> str:
    return content if isinstance(content, str) else json.dumps(content)
