"""SECURITY.md names, for each rule, tests that there are."""

import re
from typing import Final

from tests.integration.attacks.on_proxy import on_proxy
from tests.integration.attacks.on_worker import on_worker
from tests.support.children import REPOSITORY

RULES: Final = {f"S{number}" for number in range(1, 22)}
_ROW: Final = re.compile(r"^\| (S\d+) \| .+? \| (.+) \|$", re.MULTILINE)


def rows() -> dict[str, str]:
    """Each rule with what attacks it."""
    return dict(_ROW.findall((REPOSITORY / "SECURITY.md").read_text()))


def test_each_rule_names_tests_that_are_there() -> None:
    found = rows()
    assert set(found) == RULES
    for rule, attacked_by in found.items():
        paths = re.findall(r"`((?:unit|integration|e2e)/[\w/.]+)`", attacked_by)
        assert paths, rule
        text = "".join((REPOSITORY / "tests" / path).read_text() for path in paths)
        for name in re.findall(r"`(test_\w+)`", attacked_by):
            assert f"def {name}(" in text, f"{rule} names {name}"


def test_the_rules_of_the_requests_are_named_where_they_are_attacked() -> None:
    sent = {attack.rule for attack in (*on_proxy(), *on_worker())} - {"S15"}  # one of many, in its own files
    named = {rule for rule, attacked_by in rows().items() if f"test_requests.py` ({rule}" in attacked_by}
    assert named - {"S16"} == sent
