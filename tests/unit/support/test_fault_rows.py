"""The catalogue of faults is whole, the tests that it names are there, and its page is what it says."""

import ast
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from tests.support.fault_page import page, rows
from tests.support.fault_rows import FaultRow

ROOT = Path(__file__).resolve().parents[3]
NUMBERS: Final = {"U": 40, "C": 11, "P": 12, "K": 9, "W": 14, "N": 7}


def test_every_fault_has_its_row() -> None:
    expected = [f"{letter}{number}" for letter, most in NUMBERS.items() for number in range(1, most + 1)]
    assert [row.id for row in rows()] == expected


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.id)
def test_its_tests_are_there(row: FaultRow) -> None:
    missing = [test for test in row.tests if test.partition("::")[2] not in functions(test.partition("::")[0])]
    assert row.tests
    assert missing == []


def test_the_page_is_that_of_the_rows() -> None:
    """If not: python -m tests.support.fault_page > docs/reference/faults.md"""
    assert (ROOT / "docs/reference/faults.md").read_text() == page()


@cache
def functions(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
