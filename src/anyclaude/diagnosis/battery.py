"""`anyclaude --test-model`: every exercise in turn, through the same router and prompt chain as a launch.

Each request has a deadline, so that a model which hangs ends an exercise and not the battery. What was found is kept
as it comes: who interrupts the battery has what was done so far.
"""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from anyclaude.backends.base import Backend, Caller, ModelInfo
from anyclaude.config.model import Models, ProfileChange, Settings
from anyclaude.config.names import NAMELESS
from anyclaude.config.profiles import change_of
from anyclaude.diagnosis.collected import Collected
from anyclaude.diagnosis.exercises import EXERCISES, Exercise, Outcome
from anyclaude.diagnosis.judging import Judgement, judged
from anyclaude.diagnosis.tasks import Bench, Request
from anyclaude.diagnosis.verdicts import Verdict, learnt, verdict
from anyclaude.errors import AnyclaudeError, SetupError, UpstreamRefusedUs, UpstreamUnreachable
from anyclaude.launch.fit import fit
from anyclaude.wire.json import decode_lenient

_TRIED: Final = ("tools", "response_format")
"""What the settings may say of a model, and is tried out all the same."""

_HOPELESS: Final = (UpstreamRefusedUs, UpstreamUnreachable)
"""Errors that every further request would end in too."""


class Watcher(Protocol):
    """Who is shown how far it is."""

    def begins(self, exercise: Exercise, number: int, of: int) -> None: ...
    def ends(self, outcome: Outcome, number: int, of: int) -> None: ...


@dataclass(slots=True)
class Found:
    """What a run has found so far. refused: parameters that the server refused, in the words of `convert.refusals`."""

    model: ModelInfo
    outcomes: list[Outcome] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def verdict(self, settings: Settings) -> Verdict:
        """What it means for Claude Code."""
        return verdict(self.outcomes, None if settings.mode == "claude" else _obstacle(self.model))

    def change(self, settings: Settings) -> ProfileChange:
        """What was observed and differs from what these settings assume of the model."""
        assumed = change_of(self.model.id, settings.profiles)
        return learnt(self.outcomes, assumed, refused=self.refused, window=self.model.context_window)


def as_tested(settings: Settings) -> Settings:
    """The settings of a launch, with nobody to answer in the model's place, and nothing assumed that is tried out.

    Raises SetupError where a launch has something that we lack: Claude Code's own login, and its choice of a model.
    """
    if settings.mode == "claude" and (settings.backends.claude.api_key is None or settings.model is None):
        raise SetupError("testing Claude needs a key and a model: set ANTHROPIC_API_KEY and --model")
    name = settings.mode.replace("-", "_")
    alone = getattr(settings.backends, name).model_copy(update={"fallback": ()})
    changes = {
        "backends": settings.backends.model_copy(update={name: alone}),
        "models": Models(),
        "profiles": {
            model: change.model_copy(update=dict.fromkeys(_TRIED)) for model, change in settings.profiles.items()
        },
        "skip_setup_check": False,
    }
    return settings.model_copy(update=changes)


def bench_for(settings: Settings, model: ModelInfo) -> Bench:
    """What the requests to that model have in common. Only Claude is asked by name: all others are the main model."""
    named = model.id if settings.mode == "claude" else NAMELESS
    return Bench(named, secrets.token_hex(4), model.context_window)


async def run_battery(
    backend: Backend, bench: Bench, found: Found, watcher: Watcher, exercises: Sequence[Exercise] = EXERCISES
) -> None:
    """Do the exercises and add each outcome to `found`."""
    hopeless: AnyclaudeError | None = None
    for number, exercise in enumerate(exercises, 1):
        watcher.begins(exercise, number, len(exercises))
        if hopeless is None:
            outcome = await _done(backend, bench, exercise, found.refused)
            hopeless = next((answer.error for answer in outcome.answers if isinstance(answer.error, _HOPELESS)), None)
        else:
            outcome = Outcome(exercise, Judgement("skipped", "the server could not be used any more"))
        found.outcomes.append(outcome)
        watcher.ends(outcome, number, len(exercises))


async def _done(backend: Backend, bench: Bench, exercise: Exercise, refused: list[str]) -> Outcome:
    answers: list[Collected] = []
    for _ in range(exercise.turns):
        request = exercise.task(bench, answers)
        if request is None:
            return Outcome(exercise, Judgement("skipped", "the model's window has no room for it"))
        answers.append(await _answer(backend, request, exercise.deadline, refused))
        if not answers[-1].whole:
            break
    seconds = sum(answer.ended for answer in answers)
    return Outcome(exercise, judged(exercise.judge, answers), seconds, tuple(answers))


async def _answer(backend: Backend, request: Request, deadline: float, refused: list[str]) -> Collected:
    """What came until the end, the deadline or an error."""
    loop, answer, journal = asyncio.get_running_loop(), Collected(), _Journal(refused)
    began = loop.time()
    try:
        async with asyncio.timeout(deadline), backend.stream(request, Caller(journal=journal)) as batches:
            async for batch in batches:
                answer.feed(batch, loop.time() - began)
    except TimeoutError:
        answer.late = True
    except AnyclaudeError as error:
        answer.error = error
    answer.ended = loop.time() - began
    answer.sent = journal.body
    return answer


class _Journal:
    """Keeps what went upstream last, and what was refused of it."""

    def __init__(self, refused: list[str]) -> None:
        self.body: Mapping[str, Any] = {}
        self._refused = refused

    def note(self, kind: str, **facts: Any) -> None:
        if kind == "learnt":
            self._refused.append(str(facts["refused"]))

    def sent(self, body: Mapping[str, Any] | bytes) -> None:
        decoded = decode_lenient(body) if isinstance(body, bytes) else body
        self.body = decoded if isinstance(decoded, Mapping) else {}

    def mark(self, moment: str) -> None: ...


def _obstacle(model: ModelInfo) -> str | None:
    try:
        fit((), model.context_window, model.tools)
    except SetupError as error:
        return error.message
    return None
