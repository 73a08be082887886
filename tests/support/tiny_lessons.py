"""Teaching a tiny model what to say: conversations, of which only the assistant's words count."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim


@dataclass(frozen=True, slots=True)
class Lesson:
    """tokens: the whole conversation. answers: where in it the assistant speaks."""

    tokens: list[int]
    answers: list[range]

    def counts(self, place: int) -> bool:
        return any(place in answer for answer in self.answers)


def lesson(tokenizer: Any, messages: Sequence[dict[str, Any]], tools: Any) -> Lesson:
    """The conversation as the tokenizer's template writes it, which must begin with what it writes of its beginning."""
    whole = _tokens(tokenizer, messages, tools, generation=False)
    answers = []
    for turn, message in enumerate(messages):
        if message["role"] == "assistant":
            prompt = _tokens(tokenizer, messages[:turn], tools, generation=True)
            spoken = _tokens(tokenizer, messages[: turn + 1], tools, generation=False)
            assert whole[: len(spoken)] == spoken
            answers.append(range(len(prompt), len(spoken)))
    return Lesson(whole, answers)


def teach(model: Any, lessons: Sequence[Lesson], enough: float = 0.02, steps: int = 200) -> None:
    """Overfit until the loss is `enough`: only the answers count. Raises RuntimeError if that takes too many steps."""
    longest = max(len(lesson.tokens) for lesson in lessons)
    inputs = mx.array([lesson.tokens + [0] * (longest - len(lesson.tokens)) for lesson in lessons])
    weights = mx.array([[float(lesson.counts(place)) for place in range(1, longest)] for lesson in lessons])

    def loss(candidate: Any) -> Any:
        errors = nn.losses.cross_entropy(candidate(inputs[:, :-1]), inputs[:, 1:])
        return (errors * weights).sum() / weights.sum()

    optimizer = optim.AdamW(5e-3)
    step = nn.value_and_grad(model, loss)
    for _ in range(steps):
        value, gradients = step(model)
        optimizer.update(model, gradients)
        mx.eval(model.parameters(), optimizer.state)
        if value.item() < enough:
            return
    raise RuntimeError(f"the tiny model did not learn its answers: loss {value.item():.3f}")


def _tokens(tokenizer: Any, messages: Sequence[dict[str, Any]], tools: Any, *, generation: bool) -> list[int]:
    tokens: list[int] = tokenizer.apply_chat_template(
        messages, tools=tools, add_generation_prompt=generation, tokenize=True, return_dict=False
    )
    return tokens
