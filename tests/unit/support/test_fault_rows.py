"""The tests that the catalogue of faults names are there."""

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.support.fault_rows import CHILD, PROCESS, WORKER, FaultRow

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("row", [*PROCESS, *CHILD, *WORKER], ids=lambda row: row.id)
def test_its_tests_are_there(row: FaultRow) -> None:
    missing = [test for test in row.tests if test.partition("::")[2] not in functions(test.partition("::")[0])]
    assert row.tests
    assert missing == []


@cache
def functions(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
