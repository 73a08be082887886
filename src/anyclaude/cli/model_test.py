"""The screens of `--test-model`: how far it is on stderr; the table, or one JSON object for scripts, on stdout."""

import asyncio
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import uvloop
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from anyclaude.backends.registry import open_router
from anyclaude.cli.output import Terminal, plain, say
from anyclaude.config.model import ProfileChange, Settings
from anyclaude.config.saved_profiles import save_profile
from anyclaude.diagnosis.battery import Found, Watcher, as_tested, bench_for, run_battery
from anyclaude.diagnosis.exercises import EXERCISES, Exercise, Outcome
from anyclaude.diagnosis.judging import Status
from anyclaude.diagnosis.verdicts import Verdict, Word
from anyclaude.launch.opening import opened_backend
from anyclaude.launch.signals import Interrupted, Signals, interruptible
from anyclaude.wire.exit_codes import ExitCode

_STYLES: Final[Mapping[Status, str]] = {"passed": "green", "partly": "yellow", "failed": "bold red", "skipped": "dim"}
_VERDICTS: Final[Mapping[Word, str]] = {
    "good": "bold green",
    "usable": "green",
    "talk only": "yellow",
    "not usable": "bold red",
}


def try_model(settings: Settings, environ: Mapping[str, str], screen: Terminal, *, as_json: bool, save: bool) -> int:
    """Test the model that a launch would use, show what was found, and return the exit code.

    save: keep what was learnt without asking. Raises SetupError, and Interrupted when there is nothing to show yet.
    """
    runs: list[Found] = []
    code = _run(settings, environ, screen, runs)
    (found,) = runs
    result, change = found.verdict(settings), found.change(settings)
    if as_json:
        print(json.dumps(_tree(found, result, change, code is None), indent=2))
    else:
        _show(found, result, Console(), complete=code is None)
    if code is not None:
        say(f"interrupted after {len(found.outcomes)} of {len(EXERCISES)} exercises; nothing is saved")
        return code
    _offer(settings, found.model.id, change, save=save, ask=not as_json and _interactive())
    return ExitCode.DONE if result.fit else ExitCode.NO


def _run(settings: Settings, environ: Mapping[str, str], screen: Terminal, runs: list[Found]) -> int | None:
    """The exit code of an interruption, None when all was done. Raises SetupError, Interrupted."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(interruptible(Signals(), _tested(as_tested(settings), environ, screen, runs)))
        except Interrupted as interrupted:
            if not (runs and runs[0].outcomes):
                raise
            return interrupted.exit_code
    return None


async def _tested(settings: Settings, environ: Mapping[str, str], screen: Terminal, runs: list[Found]) -> None:
    async with opened_backend(settings, environ, screen, open_router) as (backend, model):
        found = Found(model)
        runs.append(found)
        screen.say(f"testing {model.id}, as {settings.mode} has it; Ctrl-C ends it with what was found")
        with _watching() as watcher:
            await run_battery(backend, bench_for(settings, model), found, watcher)


class _Lines:
    """Progress for what is no terminal."""

    def begins(self, exercise: Exercise, number: int, of: int) -> None: ...

    def ends(self, outcome: Outcome, number: int, of: int) -> None:
        say(f"{number}/{of} {outcome.exercise.name}: {outcome.status}, {outcome.judgement.evidence}")


class _Live:
    """Progress in one line that lives, with the outcomes so far above it."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def begins(self, exercise: Exercise, number: int, of: int) -> None:
        self._progress.update(self._task, description=f"{number}/{of} {exercise.name}")

    def ends(self, outcome: Outcome, number: int, of: int) -> None:
        line = Text(f"{outcome.status:8}", style=_STYLES[outcome.status])
        line.append(f" {outcome.exercise.name}", style="default")
        self._progress.console.print(line)


@contextmanager
def _watching() -> Iterator[Watcher]:
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines()
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        yield _Live(progress, progress.add_task(""))


def outcomes_table(found: Found) -> Table:
    """One row an exercise."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("")
    table.add_column("exercise", no_wrap=True)
    for name in ("weight", "seconds"):
        table.add_column(name, justify="right")
    table.add_column("what came")
    for outcome in found.outcomes:
        table.add_row(
            Text(outcome.status, style=_STYLES[outcome.status]),
            Text(outcome.exercise.name),
            str(outcome.exercise.weight),
            f"{outcome.seconds:.1f}",
            Text(plain(outcome.judgement.evidence)),
        )
    return table


def _show(found: Found, result: Verdict, console: Console, *, complete: bool) -> None:
    if console.is_terminal:
        console.print()
    console.print(outcomes_table(found))
    line = Text(f"\n{plain(found.model.id)}{'' if complete else ', as far as it was tested'}: ")
    line.append(result.word, style=_VERDICTS[result.word])
    line.append(f" for Claude Code, score {result.score} of 100")
    for reason in result.reasons:
        line.append(f"\n  {plain(reason)}")
    console.print(line)


def _tree(found: Found, result: Verdict, change: ProfileChange, complete: bool) -> dict[str, object]:
    return {
        "model": found.model.id,
        "verdict": result.word,
        "score": result.score,
        "reasons": [plain(reason) for reason in result.reasons],
        "complete": complete,
        "exercises": [_row(outcome) for outcome in found.outcomes],
        "profile": _entry(change),
    }


def _row(outcome: Outcome) -> dict[str, object]:
    return {
        "name": outcome.exercise.name,
        "status": outcome.status,
        "weight": outcome.exercise.weight,
        "seconds": round(outcome.seconds, 3),
        "evidence": plain(outcome.judgement.evidence),
    }


def _entry(change: ProfileChange) -> dict[str, object]:
    """As it stands in a file."""
    return change.model_dump(mode="json", by_alias=True, exclude_none=True)


def _offer(settings: Settings, model: str, change: ProfileChange, *, save: bool, ask: bool) -> None:
    """Keep what was learnt, if there is something and the person wants it. Raises SetupError."""
    entry = _entry(change)
    if not entry:
        return
    say(f"learnt about {model}: {json.dumps(entry)}")
    if save or (ask and _agreed()):
        say(
            f"saved in {save_profile(settings.home, model, change)}; it counts where your own settings say nothing else"
        )
    elif not ask:
        say("not saved; --save does")


def _interactive() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _agreed() -> bool:
    sys.stderr.write("anyclaude: save it for this model? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
