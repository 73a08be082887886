"""Decoding one sequence at a time, for what mlx-lm cannot batch: quantised states and draft models.

`SoloGenerator` has the part of mlx-lm's `BatchGenerator` that `MlxRunner` uses; how a token is found is its decoder's:

- `PlainDecoder` is mlx-lm's `generate_step`, which computes the next token while the last one is on its way.
- `DraftDecoder`: a small model proposes a few tokens, the large one computes all of them in one pass and says, place by
  place, what it would have sampled; as long as that is what was proposed, a token costs a part of a pass. So the answer
  is the large model's own. mlx-lm's `speculative_generate_step` runs samplers and logits processors over proposals and
  places that are thrown away, which random streams and grammars do not survive, hence the loop of our own.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import mlx.core as mx
from mlx_lm.generate import GenerationBatch, generate_step, generation_stream
from mlx_lm.utils import maybe_set_recommended_wired_limit

from mlx_worker import mlx_states
from mlx_worker.engine import Drafted
from mlx_worker.mlx_sampling import REPETITION_CONTEXT, GrammarMask

AHEAD: Final = 3
"""Tokens proposed at a time. Each costs a pass of the draft, and the later ones are taken ever less often."""

Sampler = Callable[[Any], Any]
Processor = Callable[[Any, Any], Any]
Token = tuple[int, Any]
"""A token and the log probabilities that it was sampled from."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be decoded: the whole prompt, all but its last token being in the state, and how."""

    prompt: Sequence[int]
    max_tokens: int
    sampler: Sampler
    processors: Sequence[Processor]


class Decoder(Protocol):
    def compute(self, kv: Any, tokens: Sequence[int]) -> None:
        """Tokens into a state. Not evaluated."""
        ...

    def steps(self, kv: Any, order: Order) -> Iterator[Token]:
        """The answer, written into `kv` as well. To be closed by whoever has enough of it."""
        ...

    def settle(self, kv: Any, tokens: Sequence[int]) -> Sequence[int]:
        """Cut a state that `steps` has left back to what was told; returns the tokens that are in it."""
        ...


class PlainDecoder:
    def __init__(self, model: Any) -> None:
        self._model = model

    def compute(self, kv: Any, tokens: Sequence[int]) -> None:
        self._model(mx.array(list(tokens))[None], cache=kv)

    def steps(self, kv: Any, order: Order) -> Iterator[Token]:
        before = mx.array(list(order.prompt[-REPETITION_CONTEXT:-1]), mx.uint32)
        steps: Iterator[Token] = generate_step(
            mx.array(list(order.prompt[-1:]), mx.uint32),
            self._model,
            max_tokens=order.max_tokens,
            sampler=order.sampler,
            logits_processors=[_remembering(before, processor) for processor in order.processors],
            prompt_cache=kv,
        )
        return steps

    def settle(self, kv: Any, tokens: Sequence[int]) -> Sequence[int]:
        return tokens


def _remembering(before: Any, processor: Processor) -> Processor:
    """`generate_step` knows of the prompt only what it computes itself: the last token."""
    return lambda tokens, logits: processor(mx.concatenate([before, tokens]), logits)


class DraftDecoder:
    """A state is the layers of both models, the large one's first. Both must be able to be cut back.

    vocabulary: how many tokens both models know.
    """

    def __init__(self, model: Any, draft: Any, vocabulary: int) -> None:
        self._model, self._draft, self._vocabulary = model, draft, vocabulary
        self.drafted = Drafted(0, 0)

    def compute(self, kv: Any, tokens: Sequence[int]) -> None:
        for model, layers in self._parts(kv):
            model(mx.array(list(tokens))[None], cache=layers)

    def steps(self, kv: Any, order: Order) -> Iterator[Token]:
        (model, layers), (_, draft_layers) = self._parts(kv)
        choice, left = _Choice(order), order.max_tokens
        unseen = [order.prompt[-1]]  # told, but not computed by the draft
        while left:
            proposal = self._propose(draft_layers, unseen, min(AHEAD, left - 1))
            with mx.stream(generation_stream):
                logits = model(mx.concatenate([mx.array(unseen[-1:], mx.uint32), *proposal])[None], cache=layers)[0]
            mx.eval(logits, proposal)
            proposed = [int(token.item()) for token in proposal]
            self._count(len(proposed), 0)
            for taken in range(len(proposed) + 1):
                token, logprobs = choice.make(logits[taken : taken + 1])
                agreed = token in proposed[taken : taken + 1]
                self._count(0, int(agreed))
                left -= 1
                yield token, logprobs
                if not agreed:
                    break
            unseen = [*proposed[-1:], token] if taken == len(proposed) else [token]
            _trim(layers, len(proposed) - taken)
            _trim(draft_layers, max(len(proposed) - 1 - taken, 0))

    def settle(self, kv: Any, tokens: Sequence[int]) -> Sequence[int]:
        """The latest token is not computed, or what was proposed in its place is."""
        length = max(min(len(tokens) - 1, *(layer.offset for layer in kv)), 0)
        for layer in kv:
            layer.trim(layer.offset - length)
        return tokens[:length]

    def _count(self, proposed: int, taken: int) -> None:
        """One value at a time: it is read by others, too."""
        before = self.drafted
        self.drafted = Drafted(before.proposed + proposed, before.taken + taken)

    def _parts(self, kv: Any) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
        count = len(self._model.layers)
        return (self._model, kv[:count]), (self._draft, kv[count:])

    def _propose(self, layers: Any, unseen: Sequence[int], count: int) -> list[Any]:
        """The likeliest tokens, set going and not waited for."""
        proposal: list[Any] = []
        tokens = mx.array(list(unseen), mx.uint32)
        with mx.stream(generation_stream):
            for _ in range(count):
                logits = self._draft(tokens[None], cache=layers)[:, -1, : self._vocabulary]
                tokens = mx.argmax(logits, axis=-1).astype(mx.uint32)
                mx.async_eval(tokens)  # type: ignore[no-untyped-call]
                proposal.append(tokens)
        return proposal


class _Choice:
    """Samples the tokens of one sequence, each once and in order: samplers and grammars count on it."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._past = list(order.prompt[-REPETITION_CONTEXT:])
        self._masks = [processor for processor in order.processors if isinstance(processor, GrammarMask)]

    def make(self, logits: Any) -> Token:
        """logits: of one place, in a batch of one."""
        with mx.stream(generation_stream):
            past = mx.array(self._past[-REPETITION_CONTEXT:], mx.uint32)
            for processor in self._order.processors:
                logits = processor(past, logits)
            logprobs = logits - mx.logsumexp(logits, axis=-1, keepdims=True)
            token = int(self._order.sampler(logprobs).item())
        self._past.append(token)
        for mask in self._masks:
            mask.take(token)
        return token, logprobs[0]


def _trim(layers: Sequence[Any], count: int) -> None:
    for layer in layers:
        layer.trim(count)


@dataclass(slots=True)
class _Sequence:
    """`tokens`: those computed and told, in order."""

    order: Order
    kv: Any
    steps: Any
    ends: Any
    tokens: list[int]
    said: int = 0


class SoloGenerator:
    """As `BatchGenerator`. Sequences beside one another take turns, a token each, and share nothing."""

    stream = generation_stream

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._sequences: dict[int, _Sequence] = {}
        self._uids = 0
        self._wired_limit = maybe_set_recommended_wired_limit()  # None but on Metal

    def insert(
        self,
        prompts: Sequence[Sequence[int]],
        max_tokens: Sequence[int],
        *,
        caches: Sequence[Any],
        all_tokens: Sequence[Sequence[int]],
        samplers: Sequence[Sampler],
        logits_processors: Sequence[Sequence[Processor]],
        stop_sequences: Sequence[Any],
        telling: Sequence[bool] = (True,),
    ) -> list[int]:
        """One sequence: the last token of its prompt, and before it, in the state given, all others. Log probabilities
        are told whether they are wanted or not."""
        order = Order((*all_tokens[0], *prompts[0]), max_tokens[0], samplers[0], logits_processors[0])
        kv = mlx_states.fork(caches[0])
        steps = self._decoder.steps(kv, order)
        self._uids += 1
        self._sequences[self._uids] = _Sequence(order, kv, steps, stop_sequences[0].matcher(), list(all_tokens[0]))
        return [self._uids]

    def next(self) -> tuple[list[Any], list[Any]]:
        return [], [self._advance(uid, sequence) for uid, sequence in list(self._sequences.items())]

    def _advance(self, uid: int, sequence: _Sequence) -> Any:
        token, logprobs = next(sequence.steps)
        if not sequence.said:
            sequence.tokens.append(sequence.order.prompt[-1])
        sequence.tokens.append(token)
        sequence.said += 1
        end = "length" if sequence.said >= sequence.order.max_tokens else None
        end = "stop" if sequence.ends.advance(token) else end
        kv, tokens = self._leave(uid) if end else (None, None)
        return GenerationBatch.Response(uid, token, logprobs, end, kv, tokens)

    def _leave(self, uid: int) -> tuple[Any, Sequence[int]]:
        sequence = self._sequences.pop(uid)
        sequence.steps.close()
        return sequence.kv, self._decoder.settle(sequence.kv, sequence.tokens)

    def remove(self, uids: Sequence[int], return_prompt_caches: bool = False) -> dict[int, tuple[Any, Sequence[int]]]:
        """Whether the states are wanted makes no difference here."""
        return {uid: self._leave(uid) for uid in uids}

    def close(self) -> None:
        for sequence in self._sequences.values():
            sequence.steps.close()
        self._sequences.clear()
        if self._wired_limit is not None:
            mx.synchronize(self.stream)
            mx.set_wired_limit(self._wired_limit)
            self._wired_limit = None
