"""Is a schema for an answer one? Asked before anything is computed for it.

What is malformed or can match nothing is refused. What the grammar library does not know (some keywords and formats) is
refused only where the client insists with `strict`; else the answer is held to the rest of the schema.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from llguidance import LLMatcher

from mlx_worker.errors import BadRequest

PLACE: Final = "response_format.json_schema.schema"
_NOT_KNOWN: Final = re.compile(r"Unimplemented|Unknown format|not supported", re.IGNORECASE)


def check_schema(schema: Mapping[str, Any], *, strict: bool) -> None:
    """Raises BadRequest with what is wrong with it."""
    grammar = LLMatcher.grammar_from_json_schema(dict(schema))
    failed, reasons = LLMatcher.validate_grammar_with_warnings(grammar)
    words = "; ".join(reasons)[:500]
    if failed and (strict or not _NOT_KNOWN.search(words)):
        raise BadRequest(f"{PLACE}: {words or 'it is no JSON schema'}", PLACE)
