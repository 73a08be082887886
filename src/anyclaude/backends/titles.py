"""A session's title out of its first words, for who would not wait for a slow model to think of one.

Claude Code asks for it together with the first turn, as JSON of one member, with the prompt between `<session>` tags
(observed with 2.1.197); a local server computes the two one after the other.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from anyclaude.convert.content import text_of
from anyclaude.convert.options import wanted_format
from anyclaude.convert.roles import is_background
from anyclaude.wire.json import encode

_SESSION: Final = re.compile(r"<session>\s*(.*?)\s*(?:</session>|\Z)", re.DOTALL)
_WORDS: Final = 7
_LONGEST: Final = 60  # characters


def title_asked(request: Mapping[str, Any]) -> str | None:
    """The answer to a request for a title, JSON as it is asked for; None for any other request."""
    shape = wanted_format(request)
    schema = shape.get("schema") if isinstance(shape, Mapping) else None
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    if not is_background(request) or not isinstance(properties, Mapping) or set(properties) != {"title"}:
        return None
    said = text_of(request["messages"][0]["content"])
    session = _SESSION.search(said)
    return encode({"title": _title(session[1] if session else said)}).decode()


def _title(words: str) -> str:
    title = " ".join(words.split()[:_WORDS])[:_LONGEST].strip(" .,;:")
    return title[:1].upper() + title[1:] or "Session"
