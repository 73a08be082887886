"""The pages, loaded only where they are wanted: they need jinja2, which comes with an extra."""

import importlib
from typing import Any

from anyclaude.errors import SetupError


def part(name: str) -> Any:
    """A module of `anyclaude.viewer`. Raises SetupError where what it needs is not installed."""
    try:
        return importlib.import_module(f"anyclaude.viewer.{name}")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("jinja2", "markupsafe"):
            raise
        raise SetupError("the pages need jinja2, which is not installed: pip install 'anyclaude[ui]'") from None
