"""A runner whose states are numbers, so that its calls can be told to other ranks.

States are numbered in the order in which calls make them. Every rank makes the same calls on its own part of the model,
so one number means the same state everywhere.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter

from mlx_worker.generation import AnswerShape, Generation
from mlx_worker.prefix_entry import Cut
from mlx_worker.runner import Runner, Step

GENERATION: TypeAdapter[Generation] = TypeAdapter(Generation)
SHAPE: TypeAdapter[AnswerShape] = TypeAdapter(AnswerShape)


class Shard:
    """`runner` computes one part of the model. `calls` are those that each rank makes, by name; arguments are JSON."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self._states: dict[int, Any] = {}
        self._made = 0
        self.calls: Mapping[str, Callable[..., Any]] = {
            "new_kv": self._new_kv,
            "fork": self._fork,
            "cut": self._cut,
            "prefill": self._prefill,
            "start": self._start,
            "step": self._step,
            "drop": self._drop,
            "rebuild": runner.rebuild,
        }

    def __len__(self) -> int:
        return len(self._states)

    def state(self, number: int) -> Any:
        return self._states[number]

    def forget(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            del self._states[number]

    def _put(self, state: Any) -> int:
        self._made += 1
        self._states[self._made] = state
        return self._made

    def _new_kv(self) -> int:
        return self._put(self.runner.new_kv())

    def _fork(self, number: int, length: int | None, cut: int | None) -> int:
        put = None if cut is None else Cut(self._states[cut], 0)
        return self._put(self.runner.fork(self._states[number], length, put))

    def _cut(self, number: int, back: int) -> Cut:
        """A number is its state."""
        cut = self.runner.cut(self._states[number], back)
        return Cut(self._put(cut.state), cut.nbytes)

    def _prefill(self, number: int, tokens: Sequence[int]) -> None:
        self.runner.prefill(self._states[number], tokens)

    def _start(self, number: int, asked: Any) -> int:
        return self.runner.start(self._states[number], GENERATION.validate_python(asked))

    def _step(self) -> list[Step]:
        """A number is the state of those that end."""
        steps = self.runner.step()
        return [step if step.end is None else replace(step, kv=self._put(step.kv)) for step in steps]

    def _drop(self, uid: int) -> tuple[int, Sequence[int]]:
        kv, tokens = self.runner.drop(uid)
        return self._put(kv), tokens
