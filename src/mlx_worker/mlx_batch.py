"""Decoding several sequences beside one another; each joins and leaves at any step.

mlx-lm's `BatchGenerator` also computes prompts. Here they come computed, so the part of it that decodes,
`GenerationBatch`, is used by itself. It takes whatever states the model takes. So a sequence that is alone, which most
are, is decoded on its own: a batch of one has masks and padding to compute at every step, and a longer state is copied
twice more before the first. Where another one joins, their states are merged; the last one to stay gets its own back.

Whoever joins is computed with the others from the start: a pass for its first token alone would take about as long as
one for all. So what the next step tells of it is the last token of its prompt, which is no part of its answer.
"""

from collections.abc import Sequence
from typing import Any, Final

import mlx.core as mx
from mlx_lm.generate import GenerationBatch, generation_stream
from mlx_lm.utils import maybe_set_recommended_wired_limit

from mlx_worker import mlx_states

STEPS_TO_CLEAR: Final = 512
"""Between two times that freed memory is given back, as in `BatchGenerator`."""


class _Ends:
    """The stop sequences of a newcomer: the last token of its prompt ends nothing."""

    def __init__(self, stops: Any) -> None:
        self._matcher = stops.matcher()
        self._begun = False

    def matcher(self) -> "_Ends":
        return self

    def advance(self, token: int) -> bool:
        begun, self._begun = self._begun, True
        return begun and bool(self._matcher.advance(token))


class _Members(GenerationBatch):  # type: ignore[misc]
    """Those that decode. merged: their states are those of a batch, not of one sequence."""

    prompt_cache: list[Any]
    merged = False
    begun = False

    def _step(self) -> Any:
        """The first one, which the constructor takes, is left to whoever has the others."""
        if self.begun:
            return super()._step()
        self.begun = True
        self._num_tokens = [-1]
        self._next_logprobs = [mx.array(0.0)]
        return None

    def extract_cache(self, idx: int) -> list[Any]:
        return [layer.extract(idx) for layer in self.prompt_cache] if self.merged else list(self.prompt_cache)

    def merge(self) -> None:
        if not self.merged:
            self.prompt_cache = [layer.merge([layer]) for layer in self.prompt_cache]
            self.merged = True

    def part(self) -> None:
        """Of one that was left alone."""
        if self.merged and len(self) == 1:
            self.prompt_cache = self.extract_cache(0)
            self.merged = False


class SharedGenerator:
    """Has the part of mlx-lm's `BatchGenerator` that `MlxRunner` uses."""

    stream = generation_stream

    def __init__(self, model: Any) -> None:
        self._model = model
        self._members: _Members | None = None
        self._newcomers: list[_Members] = []
        self._unbegun: set[int] = set()
        self._uids = self._steps = 0
        self._wired_limit = maybe_set_recommended_wired_limit()  # None but on Metal

    def insert(
        self,
        prompts: Sequence[Sequence[int]],
        max_tokens: Sequence[int],
        *,
        caches: Sequence[Any],
        all_tokens: Sequence[Sequence[int]],
        samplers: Sequence[Any],
        logits_processors: Sequence[Sequence[Any]],
        stop_sequences: Sequence[Any],
    ) -> list[int]:
        """One sequence: the last token of its prompt, and before it, in the state given, all others. Sets the first
        token of one that is alone going."""
        self._uids += 1
        with mx.stream(self.stream):
            newcomer = _Members(
                self._model,
                [self._uids],
                mx.array(list(prompts[0]), mx.uint32),
                mlx_states.fork(caches[0]),
                [list(all_tokens[0])],
                [samplers[0]],
                samplers[0],
                [tuple(logits_processors[0])],
                [_Ends(stop_sequences[0])],
                [max_tokens[0]],
            )
            if self._members is None and not self._newcomers:
                newcomer.next()
            else:
                self._unbegun.add(self._uids)
        self._newcomers.append(newcomer)
        return [self._uids]

    def next(self) -> tuple[list[Any], list[Any]]:
        """A token of each that has begun; newcomers begin."""
        unbegun, self._unbegun = self._unbegun, set()
        with mx.stream(self.stream):
            members = self._joined()
            responses: list[Any] = members.next() if members else []
            self._settle()
        self._steps += 1
        if self._steps % STEPS_TO_CLEAR == 0:
            mx.clear_cache()
        return [], [response for response in responses if response.uid not in unbegun]

    def remove(self, uids: Sequence[int], return_prompt_caches: bool = False) -> dict[int, tuple[Any, Sequence[int]]]:
        """Whether the states are wanted makes no difference here."""
        with mx.stream(self.stream):
            members = self._joined()
            assert members is not None
            places = {uid: members.uids.index(uid) for uid in uids}
            left = {uid: (members.extract_cache(place), members.tokens[place]) for uid, place in places.items()}
            members.filter([place for place in range(len(members)) if place not in places.values()])
            self._settle()
        return left

    def _joined(self) -> _Members | None:
        """Everyone, newcomers too."""
        newcomers, self._newcomers = self._newcomers, []
        for newcomer in newcomers:
            if self._members is None:
                self._members = newcomer
            else:
                self._members.merge()
                newcomer.merge()
                self._members.extend(newcomer)
        return self._members

    def _settle(self) -> None:
        """After some have left."""
        if self._members is not None:
            self._members.part()
            self._members = self._members if len(self._members) else None

    def close(self) -> None:
        self._members, self._newcomers, self._unbegun = None, [], set()
        if self._wired_limit is not None:
            mx.synchronize(self.stream)
            mx.set_wired_limit(self._wired_limit)
            self._wired_limit = None
