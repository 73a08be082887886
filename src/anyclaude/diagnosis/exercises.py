"""The table of `--test-model`: what is asked, who judges it, and what it weighs. The weights add up to 100."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from anyclaude.diagnosis import judging, tasks
from anyclaude.diagnosis.collected import Collected
from anyclaude.diagnosis.judging import Judge, Judgement, Status
from anyclaude.diagnosis.tasks import Bench, Request

Task = Callable[[Bench, Sequence[Collected]], Request | None]
"""The next request, from the answers so far; None where there is no room for it."""


@dataclass(frozen=True, slots=True)
class Exercise:
    """turns: how many requests it makes. deadline: seconds for each of them. calls: it needs a tool call to pass."""

    name: str
    weight: int
    task: Task
    judge: Judge
    turns: int = 1
    deadline: float = 120.0
    calls: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an exercise. seconds: all of it. answers: what the judgement rests on."""

    exercise: Exercise
    judgement: Judgement
    seconds: float = 0.0
    answers: tuple[Collected, ...] = ()

    @property
    def status(self) -> Status:
        return self.judgement.status


EXERCISES: Final = (
    Exercise("plain answer", 5, tasks.plain_answer, judging.plain_answer),
    Exercise("streaming", 5, tasks.streaming, judging.streaming),
    Exercise("one tool call", 20, tasks.one_call, judging.one_call, calls=True),
    Exercise("parallel calls", 8, tasks.parallel_calls, judging.parallel_calls, calls=True),
    Exercise("nested arguments", 15, tasks.nested_arguments, judging.nested_arguments, calls=True),
    Exercise("tool result follow-up", 15, tasks.follow_up, judging.follow_up),
    Exercise("JSON format", 5, tasks.json_format, judging.json_format),
    Exercise("stop sequence", 2, tasks.stop_sequence, judging.stop_sequence),
    Exercise("long prompt", 8, tasks.needle, judging.needle, deadline=300.0),
    Exercise("second turn", 5, tasks.two_turns, judging.second_turn, turns=2, deadline=300.0),
    Exercise("odd characters", 12, tasks.odd_characters, judging.odd_characters, calls=True),
)
