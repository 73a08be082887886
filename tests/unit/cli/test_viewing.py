import sys

import pytest

from anyclaude.cli.viewing import part
from anyclaude.errors import SetupError


def test_without_the_extra_the_next_step_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("anyclaude.viewer.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(SetupError, match=r"pip install 'anyclaude\[ui\]'"):
        part("app")


def test_a_part_that_there_is_not_is_a_fault_of_ours() -> None:
    with pytest.raises(ModuleNotFoundError):
        part("nothing")
