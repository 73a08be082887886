"""The check of the set-up as it is shown."""

from rich.console import Console

from anyclaude.cli.diagnose import findings_table
from anyclaude.diagnosis.findings import Finding


def test_a_row_shows_the_next_step_and_no_controls_or_markup() -> None:
    console = Console(width=100)
    with console.capture() as shown:
        console.print(findings_table([Finding("a", "failure", "\x1b[2J [red]gone", "mend it")]))
    assert "[red]gone" in shown.get()
    assert "→ mend it" in shown.get()
    assert "\x1b[2J" not in shown.get()


def test_long_names_of_models_are_told_whole() -> None:
    console = Console(width=80)
    area = "openrouter:anthropic/claude-sonnet-4.5"
    with console.capture() as shown:
        console.print(findings_table([Finding(area, "ok", "answers")]))
    assert area in "".join(shown.get().replace("ok", "", 1).replace("answers", "").split())
