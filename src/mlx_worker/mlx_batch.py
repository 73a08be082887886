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
from mlx_worker.mlx_sampling import likeliest

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
    """Those that decode. merged: their states are those of a batch, not of one sequence. telling: of each, whether
    somebody wants to know its log probabilities."""

    prompt_cache: list[Any]
    telling: list[bool]
    _next_tokens: Any
    _next_logprobs: list[Any]
    merged = False
    begun = False

    def _step(self) -> Any:
        """As mlx-lm's, which computes and hands out log probabilities whether they are wanted or not. The first one,
        which the constructor takes, is left to whoever has the others."""
        if not self.begun:
            self.begun, self._num_tokens, self._next_logprobs = True, [-1], [None]
            return None
        inputs, rows = self._next_tokens, self._next_logprobs
        self._current_tokens, self._current_logprobs = inputs, rows
        logits, contexts = self._processed(self.model(inputs[:, None], cache=self.prompt_cache)[:, -1, :], inputs)
        self._next_tokens, self._next_logprobs = self._sampled(logits)
        mx.async_eval(self._next_tokens, self._next_logprobs, contexts)  # type: ignore[no-untyped-call]
        tokens = inputs.tolist()
        for known, token in zip(self.tokens, tokens, strict=True):
            known.append(token)
        return tokens, rows

    def _processed(self, logits: Any, inputs: Any) -> tuple[Any, list[Any]]:
        """What penalties, biases and grammars make of each row, and the tokens that they looked at."""
        if not any(self.logits_processors):
            return logits, []
        rows, contexts = [], []
        for place, processors in enumerate(self.logits_processors):
            row = logits[place : place + 1]
            if processors:
                contexts.append(self._token_context[place].update_and_fetch(inputs[place : place + 1]))
            for processor in processors:
                row = processor(contexts[-1], row)
            rows.append(row)
        return mx.concatenate(rows), contexts

    def _sampled(self, logits: Any) -> tuple[Any, list[Any]]:
        """The next token of each, and the log probabilities of those that are asked for them. The likeliest token is
        the same before and after they are made probabilities, but for the last digits: it is looked for before."""
        samplers, told = self.samplers, any(self.telling)
        greedy = [sampler is likeliest for sampler in samplers]
        logprobs = logits if all(greedy) and not told else logits - mx.logsumexp(logits, axis=-1, keepdims=True)
        rows = [logprobs[place] if wanted else None for place, wanted in enumerate(self.telling)]
        if all(sampler is samplers[0] for sampler in samplers):
            return samplers[0](logits if greedy[0] else logprobs), rows
        of_each = [(logits if plain else logprobs)[place : place + 1] for place, plain in enumerate(greedy)]
        return mx.concatenate([sampler(row) for sampler, row in zip(samplers, of_each, strict=True)]), rows

    def extend(self, batch: "_Members") -> None:
        super().extend(batch)
        self.telling += batch.telling

    def filter(self, keep: list[int]) -> None:
        super().filter(keep)
        self.telling = [self.telling[place] for place in keep]

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
        telling: Sequence[bool] = (True,),
    ) -> list[int]:
        """One sequence: the last token of its prompt, and before it, in the state given, all others; telling: whether
        its log probabilities are wanted. Sets the first token of one that is alone going."""
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
            newcomer.telling = [telling[0]]
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
