"""The table of `--test-model`, and what stands on it of other programs' words."""

from rich.console import Console

from anyclaude.backends.base import ModelInfo
from anyclaude.cli.model_test import outcomes_table
from anyclaude.diagnosis.battery import Found
from anyclaude.diagnosis.exercises import EXERCISES, Outcome
from anyclaude.diagnosis.judging import Judgement


def test_a_models_words_are_neither_markup_nor_controls() -> None:
    said = Judgement("partly", "it said '[red]hi[/red] \x1b[2J\x07'")
    found = Found(ModelInfo("m"), [Outcome(EXERCISES[0], said, 1.25)])
    console = Console(width=120)
    with console.capture() as shown:
        console.print(outcomes_table(found))
    line = shown.get().splitlines()[1]
    assert "[red]hi[/red] ?[2J?" in line
    assert line.split()[:5] == ["partly", "plain", "answer", "5", "1.2"]
