"""One request as a row: what lists, charts and comparisons say of it, read from its record once."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final

from anyclaude.convert.roles import is_background, is_classifier
from anyclaude.convert.tools import is_client_tool
from anyclaude.prompt.stable import moved
from anyclaude.trace.parts import answer_body, mapping, mappings, notes, number, request_body, upstream_body, word
from anyclaude.trace.prompts import blocks_of
from anyclaude.trace.tokens import tokens_of
from anyclaude.trace.transcript import last_turn
from anyclaude.trace.words import opening_of

_CLIENT: Final = re.compile(r"claude-cli/([\w.+-]+)")
_STAMP: Final = re.compile(r"trace-(\d{8}-\d{6})-(\d{3})-")
_BILLING: Final = "x-anthropic-billing-header"
"""How the block begins that Claude Code puts first, with three characters that change with each prompt (2.1.197)."""

_LATEST: Final = 9_999_999_999.0
"""Seconds since 1970, the year 2286: no trace is younger."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One request. Texts are empty and numbers None where the record does not say.

    id: of the request; the name of the file, where it has none. file: `MODE/NAME`, below the folder of traces.
    at: seconds since 1970. model: the upstream's name of it, asked: Claude Code's. agent: empty for the main
    conversation; parent: the agent that started this one. role: `main`, `subagent`, `background` (titles, summaries of
    pages), `classifier` (of permissions), `search` (of the web) or `check` (a token to see whether a model answers).
    client: Claude Code's version. prompt_tokens: with the cached ones. cost: US dollars. Times are milliseconds from
    the request's arrival, queued_ms what of that was spent in the queue of a busy cluster. retries: requests that went
    upstream again. kept_bytes: what this prompt kept of the before_bytes of the agent's last one, broken: what ended
    that. prompt: names system prompt and tools without what belongs to one session; prompt_bytes: with it.
    opening: the user's first words in this conversation. last_turn: what the model was told at last.
    """

    id: str
    file: str
    at: float
    mode: str
    backend: str
    model: str
    asked: str
    session: str
    agent: str
    parent: str
    role: str
    client: str
    status: int | None
    outcome: str
    error: str
    stop: str
    prompt_tokens: int | None
    cached_tokens: int | None
    output_tokens: int | None
    cost: float | None
    queued_ms: float | None
    accepted_ms: float | None
    first_event_ms: float | None
    first_token_ms: float | None
    end_ms: float | None
    retries: int
    repairs: int
    kept_bytes: int | None
    before_bytes: int | None
    broken: str
    prompt: str
    prompt_bytes: int
    opening: str
    last_turn: str


def turn_of(record: Mapping[str, Any], file: str, changed: float) -> Turn:
    """The row of a record, whatever of it is there. changed: seconds, of the file, for a record without a time."""
    body, answer, headers = request_body(record), answer_body(record), _headers(record)
    timings = mapping(record.get("timings_ms"))
    agent = word(record.get("agent"))
    backend, model = _answered_by(record, answer)
    prompt, prompt_bytes = _prompt(body)
    prefix = (notes(record, "prefix") or [{}])[-1]
    tokens = tokens_of(record)
    return Turn(
        id=word(record.get("id")) or file.rpartition("/")[2].removesuffix(".json"),
        file=file,
        at=_at(record.get("time"), file, changed),
        mode=word(record.get("mode")),
        backend=backend,
        model=model or word(body.get("model")),
        asked=word(body.get("model")),
        session=word(record.get("session")),
        agent=agent,
        parent=word(headers.get("x-claude-code-parent-agent-id")),
        role=_role(body, agent),
        client=found[1] if (found := _CLIENT.search(word(headers.get("user-agent")))) else "",
        status=number(mapping(record.get("response")).get("status"), int),
        outcome=word(record.get("outcome")),
        error=word(record.get("error")),
        stop=word(answer.get("stop_reason")),
        prompt_tokens=tokens.prompt,
        cached_tokens=tokens.cached,
        output_tokens=tokens.output,
        cost=number(mapping(record.get("usage")).get("cost")),
        queued_ms=_queued(record),
        accepted_ms=number(timings.get("accepted")),
        first_event_ms=number(timings.get("first_event")),
        first_token_ms=number(timings.get("first_token")),
        end_ms=number(timings.get("end")),
        retries=len(notes(record, "fallback")) + len(notes(record, "learnt")),
        repairs=len(notes(record, "repair")),
        kept_bytes=number(prefix.get("kept_bytes"), int),
        before_bytes=number(prefix.get("before_bytes"), int),
        broken=word(prefix.get("cause")),
        prompt=prompt,
        prompt_bytes=prompt_bytes,
        opening=opening_of(body),
        last_turn=last_turn(body),
    )


def _answered_by(record: Mapping[str, Any], answer: Mapping[str, Any]) -> tuple[str, str]:
    """Backend and model. What stands behind the backend in a route may be a node's name, so the body that went there is
    asked for the model first.
    """
    backend, _, behind = word((notes(record, "route") or [{}])[-1].get("to")).partition(":")
    model = word(upstream_body(record).get("model")) or behind or word(answer.get("model"))
    return backend or word(record.get("mode")), model


def _role(body: Mapping[str, Any], agent: str) -> str:
    if is_background(body):
        return "background"
    if is_classifier(body):
        return "classifier"
    if body.get("max_tokens") == 1:
        return "check"
    if not all(map(is_client_tool, mappings(body.get("tools")))):
        return "search"
    return "subagent" if agent else "main"


def _prompt(body: Mapping[str, Any]) -> tuple[str, int]:
    """The name of system prompt and tools, the same in each project and session; and their bytes."""
    texts = [block.text for block in blocks_of({"system": body.get("system"), "tools": body.get("tools")})]
    if not texts:
        return "", 0
    system = [block.text for block in blocks_of({"system": body.get("system")})]
    shared = [{"type": "text", "text": text} for text in system if not text.startswith(_BILLING)]
    found = moved(shared)
    kept = [block["text"] for block in (found[0] if found else shared)] + texts[len(system) :]
    name = blake2b("\0".join(kept).encode("utf-8", "replace"), digest_size=8)
    return name.hexdigest(), sum(len(text.encode("utf-8", "replace")) for text in texts)


def _queued(record: Mapping[str, Any]) -> float | None:
    waits = [seconds for note in notes(record, "queue") if (seconds := number(note.get("seconds"))) is not None]
    return 1000 * sum(waits) if waits else None


def _headers(record: Mapping[str, Any]) -> dict[str, Any]:
    headers = mapping(mapping(record.get("request")).get("headers"))
    return {str(name).lower(): value for name, value in headers.items()}


def _at(told: object, file: str, changed: float) -> float:
    """By the record, else by the name of its file, else by the file."""
    try:
        at = datetime.fromisoformat(str(told)).timestamp()
    except (ValueError, OverflowError, OSError):
        at = _stamped(file, changed)
    return min(max(at, 0.0), _LATEST)


def _stamped(file: str, changed: float) -> float:
    found = _STAMP.search(file)
    try:
        return time.mktime(time.strptime(found[1], "%Y%m%d-%H%M%S")) + int(found[2]) / 1000 if found else changed
    except (ValueError, OverflowError):
        return changed
