"""The targets of the measure `fuzz`, each on a few hundred inputs that are the same each time."""

import random

import pytest

from tests.support.fuzzing import SEEDS, TARGETS

RUNS = {"scanner": 60}


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_unexpected(name: str) -> None:
    chosen, target = random.Random(7), TARGETS[name]
    for seed in SEEDS:
        target(seed)
    for _ in range(RUNS.get(name, 200)):
        target(chosen.randbytes(chosen.randrange(300)))
