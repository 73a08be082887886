"""What pydantic says is wrong with a setting, in the words of the person who has to mend it.

One sentence: the name of the variable, flag or key, and what is allowed there.
"""

from collections.abc import Mapping
from typing import Final

from pydantic_core import ErrorDetails

from anyclaude.config.items import FieldPath, Item
from anyclaude.config.model import MODES, ProfileChange
from anyclaude.config.upstreams import json_key

_BOOLEAN: Final = "true or false (also 1/0, yes/no, on/off)"
_ALONE: Final = "without login, query and fragment"
ALLOWED: Final[Mapping[FieldPath, str]] = {
    ("mode",): f"one of {', '.join(MODES)}",
    ("port",): "a whole number from 0 to 65535 (0 picks a free port)",
    ("debug",): "a whole number from 0 (off) to 3 (traces)",
    ("backends", "lmstudio", "url"): f"an http:// or https:// URL, as in http://localhost:1234/v1, {_ALONE}",
    ("backends", "openrouter", "url"): f"an http:// or https:// URL, as in https://openrouter.ai/api/v1, {_ALONE}",
    ("backends", "claude", "url"): f"an http:// or https:// URL, as in https://api.anthropic.com, {_ALONE}",
    ("backends", "mlx_cluster", "health", "check_interval_ms"): "a whole number of milliseconds from 100 to 3600000",
    ("backends", "mlx_cluster", "routing", "strategy"): "one of round-robin, least-loaded, cache-aware, latency-based",
    ("backends", "mlx_cluster", "discovery", "found_by"): "one of static, dns, mdns",
}
A_LIST_OF_NODES: Final = 'a JSON list, as in [{"id": "mac1", "url": "http://mac1.local:8081"}]'
_SHOWN: Final[frozenset[str]] = frozenset(
    {"bool_parsing", "int_parsing", "literal_error", "greater_than", "greater_than_equal", "less_than_equal"}
)
"""Kinds of complaint that repeat a short value. Others may be about a secret, URLs included."""
_LONGEST_SHOWN: Final = 20

_WORDS: Final[Mapping[str, str]] = {
    "missing": "is missing",
    "extra_forbidden": "is not a known key",
    "bool_parsing": f"must be {_BOOLEAN}",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "float_type": "must be a number",
    "string_type": "must be a string",
    "tuple_type": "must be a list",
    "dict_type": "must be a JSON object",
    "model_type": "must be a JSON object",
    "model_attributes_type": "must be a JSON object",
}


def complaint(error: ErrorDetails, chosen: Mapping[FieldPath, Item]) -> str:
    """One sentence about the first fault of what was chosen. It repeats no value that may be secret."""
    where = tuple(str(part) for part in error["loc"])
    item = next((chosen[where[:n]] for n in range(len(where), 0, -1) if where[:n] in chosen), None)
    if item is None:
        return f"{'.'.join(where) or 'the settings'} {_said(error)}"
    inside = where[len(item.path) :]
    if inside and not inside[-1].startswith("function-"):
        return f"{item.origin}: {_inside(inside)} {_said(error)}"
    allowed = ALLOWED.get(item.path)
    said = f"must be {allowed}" if allowed else _said(error)
    return f"{item.origin} {said}{_instead(error)}"


def _instead(error: ErrorDetails) -> str:
    text = repr(error["input"])
    return f", not {text}" if error["type"] in _SHOWN and len(text) <= _LONGEST_SHOWN else ""


def _inside(where: FieldPath) -> str:
    """`0.url` of a list as `entry 1, url`."""
    return ", ".join(_named(part) for part in where)


def _named(part: str) -> str:
    if part.isdigit():
        return f"entry {int(part) + 1}"
    return json_key(part) if part in ProfileChange.model_fields else part


def _said(error: ErrorDetails) -> str:
    """pydantic's words as the end of a sentence."""
    text = error["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return _WORDS.get(error["type"]) or (text if text.startswith("must") else f"must be {text}")
