"""The check of the set-up as it is asked for and shown."""

import pytest
from rich.console import Console

from anyclaude.cli.args import Split
from anyclaude.cli.diagnose import asks_for_check, findings_table
from anyclaude.diagnosis.findings import Finding


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (["--check-setup"], True),
        (["--json", "--check-setup"], True),
        (["--json"], False),
        (["-p", "--check-setup"], False),
        ([], False),
    ],
)
def test_only_the_flag_by_itself_asks(words: list[str], asked: bool) -> None:
    assert asks_for_check(Split(claude=words)) is asked


def test_a_row_shows_the_next_step_and_no_controls_or_markup() -> None:
    console = Console(width=100)
    with console.capture() as shown:
        console.print(findings_table([Finding("a", "failure", "\x1b[2J [red]gone", "mend it")]))
    assert "[red]gone" in shown.get()
    assert "→ mend it" in shown.get()
    assert "\x1b[2J" not in shown.get()
