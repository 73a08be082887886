"""What the bench's upstream answers: whole streams, made before anything is measured.

The chunks have the shape of a local server's: one token each, about 200 bytes, an HTTP chunk of its own.
"""

import json
import random
from dataclasses import asdict, dataclass
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode

Kind = Literal["text", "tool"]

MARKER = "Begin"
"""The first token of every text answer: when a client sees it, content has arrived."""

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_TOKENS = (" river", " stone", ",", " lantern", " and", " the", " cop", "per", " window", ".", "\\n", " ör")
_STAMP = {
    "created": 1795372725,
    "id": "chatcmpl-0123456789abcdefghijklmnopqrstuv",
    "model": "bench",
    "system_fingerprint": "b0-bench",
    "object": "chat.completion.chunk",
}
_CALL_ID = "call0123456789abcdefghijklmnopqr"


@dataclass(frozen=True, slots=True)
class Plan:
    """One answer: `chunks` tokens, `burst` of them a write, `pause_ms` milliseconds between the writes."""

    kind: Kind = "text"
    chunks: int = 2
    burst: int = 50
    pause_ms: float = 0.0

    def query(self) -> str:
        return urlencode(asdict(self))

    @staticmethod
    def from_query(query: str) -> "Plan":
        fields = dict(parse_qsl(query))
        kind: Kind = "tool" if fields["kind"] == "tool" else "text"
        return Plan(kind, int(fields["chunks"]), int(fields["burst"]), float(fields["pause_ms"]))


def tokens(plan: Plan) -> list[str]:
    """The pieces of the answer, as many as the plan has chunks; those of a tool call make one JSON object."""
    if plan.kind == "text":
        return [MARKER, *(token.replace("\\n", "\n") for token in _drawn(plan.chunks - 1))]
    middle = _drawn(plan.chunks - 2)
    return ['{"file_path":"notes.txt","content":"', *middle, '"}']


def _drawn(count: int) -> list[str]:
    """The same in every run, and without a repetition that a proxy could take for a model in a circle."""
    return random.Random(7).choices(_TOKENS, k=count)


def events(plan: Plan) -> list[bytes]:
    """The server-sent events of the answer: a role, the tokens, the finish, the usage, `[DONE]`."""
    deltas = [_delta(plan.kind, at, token) for at, token in enumerate(tokens(plan))]
    return [_event({"role": "assistant", "content": None}), *map(_event, deltas), *_ending(plan)]


def writes(plan: Plan) -> list[bytes]:
    """The answer's bytes, HTTP head included, one item for each write to the socket."""
    frames = [b"%x\r\n%b\r\n" % (len(event), event) for event in events(plan)]
    bursts = [b"".join(frames[at : at + plan.burst]) for at in range(0, len(frames), plan.burst)]
    return [_HEAD + bursts[0], *bursts[1:-1], bursts[-1] + b"0\r\n\r\n"] if bursts[1:] else [_whole(bursts[0])]


def _whole(body: bytes) -> bytes:
    return _HEAD + body + b"0\r\n\r\n"


def _delta(kind: Kind, at: int, token: str) -> dict[str, Any]:
    if kind == "text":
        return {"content": token}
    call: dict[str, Any] = {"index": 0, "function": {"arguments": token}}
    if at == 0:
        call = {
            "index": 0,
            "id": _CALL_ID,
            "type": "function",
            "function": {"name": "Write", "arguments": token},
        }
    return {"tool_calls": [call]}


def _event(delta: dict[str, Any], finish: str | None = None) -> bytes:
    return _sse({"choices": [{"finish_reason": finish, "index": 0, "delta": delta}], **_STAMP})


def _ending(plan: Plan) -> list[bytes]:
    usage = {
        "prompt_tokens": 20_000,
        "completion_tokens": plan.chunks,
        "total_tokens": 20_000 + plan.chunks,
        "prompt_tokens_details": {"cached_tokens": 19_000},
    }
    finish = _event({}, "tool_calls" if plan.kind == "tool" else "stop")
    return [finish, _sse({"choices": [], "usage": usage, **_STAMP}), b"data: [DONE]\n\n"]


def _sse(payload: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"
