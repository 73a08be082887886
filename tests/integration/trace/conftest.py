"""An index of the traces in `tmp_path`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from anyclaude.trace.index import TraceIndex


@pytest.fixture
def index(tmp_path: Path) -> Iterator[TraceIndex]:
    with TraceIndex(tmp_path) as opened:
        yield opened
