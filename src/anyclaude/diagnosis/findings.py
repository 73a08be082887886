"""What a check of the set-up found, and what the whole of it means for the exit code."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal

from anyclaude.errors import AnyclaudeError
from anyclaude.wire.exit_codes import ExitCode

Status = Literal["ok", "warning", "failure"]

_CHOICE: Final = "it has: "
"""What a backend ends its sentence about an unknown model with."""


@dataclass(frozen=True, slots=True)
class Finding:
    """area: what was looked at. said: one sentence. next_step: what the person can do about it, None for nothing."""

    area: str
    status: Status
    said: str
    next_step: str | None = None


def of_error(area: str, error: AnyclaudeError, otherwise: str) -> Finding:
    """The failure that an error stands for. Ours say what is wrong, then the step after a semicolon.

    otherwise: the next step for an error that names none.
    """
    said, _, step = error.message.partition("; ")
    if step.startswith(_CHOICE):
        step = f"choose with --model one that it has: {step.removeprefix(_CHOICE)}"
    return Finding(area, "failure", said, step or otherwise)


def softened(findings: Iterable[Finding]) -> list[Finding]:
    """The findings about something that no launch uses: nothing there is worse than a warning."""
    return [replace(each, status="warning") if each.status == "failure" else each for each in findings]


def exit_code(findings: Iterable[Finding]) -> ExitCode:
    """NO when anything failed."""
    return ExitCode.NO if any(finding.status == "failure" for finding in findings) else ExitCode.DONE
