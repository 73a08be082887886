"""What is fuzzed: settings files and the environment."""

import json
import os
from pathlib import Path
from typing import Final

from anyclaude.config import load
from anyclaude.config.files import Found
from anyclaude.config.files import items as file_items
from anyclaude.config.load import VARIABLES, environment_items, merge
from anyclaude.errors import SetupError
from tests.support.fuzzing.source import Source

_KEYS: Final = (
    *(
        "backend",
        "mode",
        "backends",
        "lmstudio",
        "openrouter",
        "mlx-cluster",
        "claude",
        "baseUrl",
        "apiKey",
        "model",
        "models",
    ),
    *(
        "deadlines",
        "connect",
        "firstEvent",
        "port",
        "debug",
        "traces",
        "maxMegabytes",
        "profiles",
        "tools",
        "images",
        "discovery",
    ),
    *(
        "nodes",
        "id",
        "url",
        "token",
        "routing",
        "strategy",
        "health",
        "webSearch",
        "searxng",
        "fallback",
        "enabled",
        "reasoning",
    ),
    *(
        "http://127.0.0.1:1",
        "lmstudio",
        "cache-aware",
        "off",
        "true",
        "-1",
        "$schema",
        "contextWindow",
        "efforts",
        "provider",
    ),
)


def config(given: bytes) -> None:
    """Any file and any environment: settings, or one sentence."""
    source = Source(given)
    environ = {source.pick(sorted(VARIABLES)): source.text() or source.pick(_KEYS) for _ in range(source.below(4))}
    content = source.rest() if source.byte() % 4 == 0 else json.dumps(source.value(_KEYS)).encode()
    try:
        items = file_items(Found(Path("f"), "a file", content, os.getuid(), False))
        merge([load._checked(items), environment_items(environ)])
    except SetupError:
        return
