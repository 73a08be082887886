"""Estimates by bytes."""

from anyclaude.prompt.tokens import estimate, estimate_json, size


def test_sizes_are_bytes() -> None:
    assert (size("ab"), size("é"), size("\ud800")) == (2, 2, 3)


def test_estimates_grow_with_bytes() -> None:
    assert (estimate(""), estimate("a"), estimate("a" * 36)) == (0, 0, 10)


def test_a_value_counts_as_its_json_and_nothing_as_nothing() -> None:
    assert estimate_json([]) == estimate_json(None) == 0
    assert estimate_json(["a" * 32]) == 10
