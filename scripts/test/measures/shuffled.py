"""A plugin of pytest: files in random order, and the tests of each. SHUFFLE in the environment gives the same again."""

import os
import random

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of one file stay together, since what they share is made once for them."""
    chance = random.Random(os.environ["SHUFFLE"])
    files: dict[str, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.nodeid.partition("::")[0], []).append(item)
    order = sorted(files)
    chance.shuffle(order)
    for tests in files.values():
        chance.shuffle(tests)
    items[:] = [item for name in order for item in files[name]]
