"""Every secret that we know by its value, so that it can be taken out of what is written down."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from pydantic import BaseModel, SecretStr

from anyclaude.config.upstreams import LMStudio

_NAMED_SO: Final = re.compile(r"(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$", re.IGNORECASE)
SHORTEST: Final = 6
"""A shorter one would blot out words."""

_LIKE_A_KEY: Final = 12  # characters
_NO_SECRETS: Final = frozenset({LMStudio().api_key.get_secret_value()})
"""Defaults, which anybody can read here."""


def secrets_of(settings: BaseModel, environ: Mapping[str, str]) -> frozenset[str]:
    """The secrets of the settings, and of environment variables that are named like one."""
    named = (value for name, value in environ.items() if _NAMED_SO.search(name))
    every = (*_held(settings), *named, *_own_headers(environ.get("ANTHROPIC_CUSTOM_HEADERS", "")))
    return frozenset(value for value in every if len(value) >= SHORTEST) - _NO_SECRETS


def _own_headers(lines: str) -> Iterator[str]:
    """Values of the headers that the person adds to Claude Code's requests, as far as they may be keys: no words."""
    values = (line.partition(":")[2].strip() for line in lines.splitlines())
    return (value for value in values if len(value) >= _LIKE_A_KEY and any(map(str.isdigit, value)))


def _held(value: object) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _held(getattr(value, name))
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _held(inner)
    elif isinstance(value, tuple | list):
        for inner in value:
            yield from _held(inner)
