"""System prompts and tools, as they differ between versions of Claude Code."""

from collections.abc import Mapping, Sequence
from typing import Any

from anyclaude.errors import NotFound
from anyclaude.trace.index import PromptRow
from anyclaude.trace.parts import request_body
from anyclaude.trace.turn import Turn
from anyclaude.trace.versions import versions
from anyclaude.viewer.asked import Asked, Page
from anyclaude.viewer.links import turn_link
from anyclaude.viewer.prompt_parts import parts, standing


def prompts(asked: Asked) -> Page:
    """All of them; the two newest of one role are chosen to be compared."""
    rows = asked.index.prompts()
    second = rows[0] if rows else None
    return Page("prompts", {"rows": rows, "first": _older(rows, second), "second": second, "unread": asked.unread})


def prompt(asked: Asked) -> Page:
    """One of them, block by block."""
    row, turn, body = _of(asked, asked.parts["prompt"])
    return Page("prompt", {"row": row, "turn": turn, "parts": parts(standing(body), f"{turn_link(turn)}/part/sent")})


def difference(asked: Asked) -> Page:
    """What came, went and changed from one to another."""
    first, _, before = _of(asked, asked.query.get("first", ""))
    second, _, after = _of(asked, asked.query.get("second", ""))
    changes = versions(before, after, with_session=False)
    return Page("difference", {"first": first, "second": second, "changes": changes})


def _of(asked: Asked, prompt: str) -> tuple[PromptRow, Turn, Mapping[str, Any]]:
    """Raises NotFound."""
    row = next((row for row in asked.index.prompts() if row.prompt == prompt), None)
    turn = asked.index.turn(row.turn) if row else None
    if row is None or turn is None:
        raise NotFound("there is no such prompt; choose two in the list of prompts")
    return row, turn, request_body(asked.record(turn))


def _older(rows: Sequence[PromptRow], newest: PromptRow | None) -> PromptRow | None:
    """The last one before the newest that was used for the same, else any."""
    others = [row for row in rows if row is not newest]
    alike = [row for row in others if newest and set(row.roles) & set(newest.roles)]
    return next(iter([*alike, *others]), None)
