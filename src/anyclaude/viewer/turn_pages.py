"""The pages of one turn: what was said, why it took its time, what was sent, what was mended; and the whole as text."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from anyclaude.errors import NotFound
from anyclaude.trace.conversation import conversation
from anyclaude.trace.parts import mapping, mappings, notes, number, pretty, printable, request_body, word
from anyclaude.trace.prompts import blocks_of
from anyclaude.trace.slowness import slowness
from anyclaude.trace.turn import Turn
from anyclaude.trace.versions import versions
from anyclaude.trace.waterfall import MEANING
from anyclaude.viewer.asked import Asked, File, Page
from anyclaude.viewer.links import turn_link
from anyclaude.viewer.places import at, picture, plain
from anyclaude.viewer.prompt_parts import options, parts, said, standing
from anyclaude.viewer.talk import shown
from anyclaude.viewer.threads import Thread, key_of, threads

MESSAGES: Final = 12
"""Shown at first; the whole history stands before each turn."""

MOST_MESSAGES: Final = 2000

_TEXT: Final = "text/plain"


def conversation_page(asked: Asked) -> Page:
    """What was said, the newest first to be seen, and the answer."""
    turn, record = _found(asked)
    last = asked.number("last", MESSAGES, MOST_MESSAGES)
    talk = shown(conversation(record), last)
    facts = {"talk": talk, "more": min(last * 4, MOST_MESSAGES), "link": turn_link(turn)}
    return _page(asked, turn, record, "", facts)


def timing_page(asked: Asked) -> Page:
    """Why it took as long as it did."""
    turn, record = _found(asked)
    return _page(asked, turn, record, "timing", {"meaning": MEANING})


def sent_page(asked: Asked) -> Page:
    """What Claude Code sent: headers, options, system prompt and tools."""
    turn, record = _found(asked)
    body = request_body(record)
    headers = mapping(mapping(record.get("request")).get("headers"))
    facts = {
        "headers": [(word(name), printable(str(value))) for name, value in headers.items()],
        "options": options(body),
        "parts": parts(standing(body), f"{turn_link(turn)}/part/sent"),
        "messages": len(mappings(body.get("messages"))),
    }
    return _page(asked, turn, record, "sent", facts)


def upstream_page(asked: Asked) -> Page:
    """What went upstream after the prompt chain, attempt by attempt, and what had become different."""
    turn, record = _found(asked)
    attempts = mappings(record.get("upstream"))
    chosen = min(asked.number("attempt", len(attempts), len(attempts)), len(attempts))
    body = mapping(attempts[chosen - 1].get("body")) if chosen else {}
    facts = {
        "attempts": [number(attempt.get("at_ms")) for attempt in attempts],
        "attempt": chosen,
        "options": options(body),
        "changes": versions(request_body(record), body) if body else [],
        "parts": parts(blocks_of(body), f"{turn_link(turn)}/part/{chosen}"),
    }
    return _page(asked, turn, record, "upstream", facts)


def notes_page(asked: Asked) -> Page:
    """Routes, retries, repairs and warnings, in the order in which they came."""
    turn, record = _found(asked)
    told = [_note(note) for note in notes(record)]
    return _page(asked, turn, record, "notes", {"notes": told})


def record_file(asked: Asked) -> File:
    """The record as it lies on disk, to be read."""
    _, record = _found(asked)
    return File(pretty(record).encode("utf-8", "replace"), _TEXT)


def block_file(asked: Asked) -> File:
    """The whole of a block of the conversation. Raises NotFound."""
    _, record = _found(asked)
    block = at(conversation(record), asked.parts["place"])
    if block is None:
        raise NotFound("there is nothing at that place of the conversation")
    return File(plain(block).encode("utf-8", "replace"), _TEXT)


def image_file(asked: Asked) -> File:
    """An image of the conversation, if it is one. Raises NotFound."""
    _, record = _found(asked)
    found = picture(at(conversation(record), asked.parts["place"]))
    if found is None:
        raise NotFound("there is no picture at that place of the conversation")
    return File(*found)


def part_file(asked: Asked) -> File:
    """The whole of a block of a prompt: `sent`, or the number of an attempt. Raises NotFound."""
    _, record = _found(asked)
    blocks = blocks_of(_body(record, asked.parts["of"]))
    place = int(asked.parts["number"])
    if place >= len(blocks):
        raise NotFound("there is nothing at that place of the prompt")
    return File(blocks[place].text.encode("utf-8", "replace"), _TEXT)


def _found(asked: Asked) -> tuple[Turn, Mapping[str, Any]]:
    turn = asked.turn()
    return turn, asked.record(turn)


def _page(asked: Asked, turn: Turn, record: Mapping[str, Any], tab: str, facts: Mapping[str, Any]) -> Page:
    """What all of them show, and the facts of one."""
    before = asked.index.before(turn)
    turns = asked.index.turns(turn.session) if turn.session else [turn]
    thread = _thread_of(turn, turns)
    previous, following = _beside(turn, thread.turns)
    common = {
        "turn": turn,
        "tab": tab,
        "session": asked.index.session(turn.session) if turn.session else None,
        "thread": thread,
        "place": _place(turn, thread.turns),
        "previous": previous,
        "following": following,
        "before": before,
        "slow": slowness(record, asked.index.read(before) if before else None),
        "noted": len(notes(record)),
    }
    return Page(f"turn_{tab or 'conversation'}", {**common, **facts})


def _thread_of(turn: Turn, turns: Sequence[Turn]) -> Thread:
    found = next((thread for thread in threads(turns) if thread.key == key_of(turn)), None)
    return found or threads([turn])[0]


def _place(turn: Turn, turns: Sequence[Turn]) -> int:
    """From 1; 0 where the turn is not among them."""
    return next((number for number, each in enumerate(turns, 1) if each.id == turn.id), 0)


def _beside(turn: Turn, turns: Sequence[Turn]) -> tuple[Turn | None, Turn | None]:
    place = _place(turn, turns)
    previous = turns[place - 2] if place > 1 else None
    return previous, turns[place] if 0 < place < len(turns) else None


def _note(note: Mapping[str, Any]) -> tuple[str, float | None, list[tuple[str, str]]]:
    """Its kind, when it was told, and what was said, reports spread out."""
    facts: dict[str, Any] = {}
    for name, value in note.items():
        facts |= value if isinstance(value, Mapping) else {name: value}
    told = [(word(name), said(value)) for name, value in facts.items() if name not in ("kind", "at_ms")]
    return word(note.get("kind")), number(note.get("at_ms")), [each for each in told if each[1]]


def _body(record: Mapping[str, Any], of: str) -> object:
    if of == "sent":
        return request_body(record)
    attempts = mappings(record.get("upstream"))
    return attempts[int(of) - 1].get("body") if 0 < int(of) <= len(attempts) else None
