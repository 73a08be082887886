"""`--show-config`: every setting as it counts, and who decided it. Secrets are never printed, not even their length."""

import json
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr

from anyclaude.cli.output import plain
from anyclaude.config.load import Resolved
from anyclaude.config.upstreams import json_key

MASK: Final = "****"
_WIDEST: Final = 60
"""Columns of a value up to which the origins stand below each other."""

_SECRET_KEY: Final = re.compile(r"key|token|secret|passw|auth|credential", re.IGNORECASE)


def table(resolved: Resolved) -> str:
    """One line for each setting: its key in a file, its value as JSON, and its origin."""
    rows = [
        (_dotted(path), json.dumps(_shown(_value(resolved.settings, path))), plain(origin))
        for path, origin in resolved.origins.items()
    ]
    first = max(len(key) for key, _, _ in rows)
    second = min(_WIDEST, max(len(value) for _, value, _ in rows))
    return "".join(f"{key:{first}}  {value:{second}}  {origin}\n" for key, value, origin in rows)


def _dotted(path: str) -> str:
    return ".".join(json_key(part) for part in path.split("."))


def _value(settings: BaseModel, path: str) -> object:
    value: object = settings
    for part in path.split("."):
        value = getattr(value, part)
    return value


def _shown(value: object) -> object:
    """The value in terms of JSON, with what may be secret masked."""
    match value:
        case None | bool() | int() | float():
            return value
        case SecretStr():
            return MASK
        case BaseModel():
            fields = type(value).model_fields
            return {fields[name].alias or name: _shown(each) for name, each in value if each is not None}
        case Mapping():
            return {str(key): MASK if _SECRET_KEY.search(str(key)) else _shown(each) for key, each in value.items()}
        case list() | tuple():
            return [_shown(each) for each in value]
    return _without_login(str(value))


def _without_login(text: str) -> str:
    """A URL without user, password, query and fragment; any other text as it is."""
    if not text.startswith(("http://", "https://")):
        return text
    parts = urlsplit(text)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
