"""Before a target is measured its answers are read in full: one that loses tokens is not worth timing."""

import json
from collections.abc import Iterator
from typing import Any

from answers import Plan, tokens
from exchange import Answer
from failure import BenchError


def check_answer(name: str, plan: Plan, answer: Answer) -> None:
    """Raises BenchError when the answer does not say what the upstream said, or has no proper end."""
    body = answer.body()
    said, sent = "".join(_pieces(body)), "".join(tokens(plan))
    same = json.loads(said or "null") == json.loads(sent) if plan.kind == "tool" else said == sent
    if not same:
        raise BenchError(f"{name} changed the answer: {len(sent)} characters were sent and {len(said)} came")
    if b"event: message_stop" not in body and b"data: [DONE]" not in body:
        raise BenchError(f"{name} gave an answer without its end")


def _pieces(body: bytes) -> Iterator[str]:
    for line in body.split(b"\n"):
        if line.startswith(b"data: {"):
            yield _piece(json.loads(line[6:]))


def _piece(payload: dict[str, Any]) -> str:
    """What one event adds to the answer, in OpenAI's shape or in Anthropic's."""
    delta = payload["choices"][0]["delta"] if payload.get("choices") else payload.get("delta", {})
    calls = delta.get("tool_calls") or [{"function": {}}]
    arguments = calls[0]["function"].get("arguments")
    return arguments or delta.get("content") or delta.get("text") or delta.get("partial_json") or ""
