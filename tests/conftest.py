"""What every test stands on: a clean environment, and how long hypothesis looks.

`HYPOTHESIS_PROFILE=deep` searches long and at random; the default looks at the same few examples each time.
"""

import os
import signal
from collections.abc import Iterator
from unittest import mock

import pytest
from hypothesis import settings

settings.register_profile("ci", max_examples=60, deadline=None, derandomize=True, database=None)
settings.register_profile("deep", max_examples=5000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # nohup; a signal that is ignored is so for every child too
    signal.signal(signal.SIGHUP, lambda number, frame: None)

_OURS = ("ANTHROPIC_", "ANYCLAUDE_", "CLAUDE_CODE_", "LMSTUDIO_", "MLX_", "OPENROUTER_", "PROXY_ONLY")


_KEPT = "ANYCLAUDE_CLAUDE"  # which Claude Code the end-to-end tests start


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is marked `long` shows again what a test beside it shows, or runs a measure: `make scenarios` plays it."""
    if os.environ.get("SCENARIOS") != "all":
        long = [item for item in items if item.get_closest_marker("long")]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if not item.get_closest_marker("long")]


def _steers(name: str) -> bool:
    """Whether a variable of this name changes what we or Claude Code do."""
    return (name.startswith(_OURS) and name != _KEPT) or name.upper().endswith("_PROXY")


@pytest.fixture(autouse=True)
def clean_environment() -> Iterator[None]:
    """No test sees the settings of the machine that it runs on, and what it sets is gone afterwards."""
    with mock.patch.dict(os.environ):
        for name in filter(_steers, list(os.environ)):
            del os.environ[name]
        yield
