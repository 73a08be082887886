"""Addresses of pages. Ids are other programs' words, so they are quoted."""

from urllib.parse import quote

from anyclaude.trace.turn import Turn
from anyclaude.viewer.access import PREFIX


def session_link(session: str) -> str:
    return f"{PREFIX}/session/{quote(session, safe='')}"


def turn_link(turn: Turn, tab: str = "") -> str:
    """tab: one of its pages; empty: the conversation."""
    return f"{PREFIX}/turn/{quote(turn.id, safe='')}{'/' if tab else ''}{tab}"
