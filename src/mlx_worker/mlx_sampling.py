"""From the model's numbers to a token: samplers, penalties, the masks of a grammar, log probabilities.

The mask of a grammar depends on the token before it, which the generator leaves on the device. So the model's next step
is set going first, and the grammar is asked meanwhile: it costs time only where it takes longer than the model.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import mlx.core as mx
import numpy as np
from mlx_lm.sample_utils import apply_min_p, apply_top_k, apply_top_p, make_logits_processors, make_sampler

from mlx_worker.constraint import Constraint
from mlx_worker.engine import Sampling, TokenLogprob

GREEDY_BELOW = 1e-5
REPETITION_CONTEXT = 256
"""Tokens that a repetition penalty looks back on. mlx-lm's 20 are shorter than a sentence."""


def sampler_of(sampling: Sampling, vocabulary: int) -> Any:
    greedy = sampling.temperature <= GREEDY_BELOW or sampling.top_p == 0  # mlx-lm takes a top_p of 0 for none
    temperature = 0.0 if greedy else sampling.temperature
    top_k = sampling.top_k if 0 < sampling.top_k < vocabulary else 0
    if sampling.seed is None or not temperature:
        return _shared_sampler(temperature, sampling.top_p, sampling.min_p, top_k)
    return _seeded_sampler(sampling.seed % 2**64, temperature, sampling.top_p, sampling.min_p, top_k)


@lru_cache(maxsize=32)
def _shared_sampler(temperature: float, top_p: float, min_p: float, top_k: int) -> Any:
    """One object for equal settings: the generator samples a batch at once when all its samplers are the same."""
    return make_sampler(temperature, top_p=top_p, min_p=min_p, top_k=top_k)


def _seeded_sampler(seed: int, temperature: float, top_p: float, min_p: float, top_k: int) -> Any:
    """As `make_sampler`, with a random stream of its own, so that a batch's other members do not disturb it."""
    key = mx.random.key(seed)

    def sample(logprobs: Any) -> Any:
        nonlocal key
        key, now = mx.random.split(key)
        if 0 < top_p < 1:
            logprobs = apply_top_p(logprobs, top_p)
        if min_p:
            logprobs = apply_min_p(logprobs, min_p)
        if top_k:
            logprobs = apply_top_k(logprobs, top_k)
        return mx.random.categorical(logprobs * (1 / temperature), key=now)

    return sample


def penalties_of(sampling: Sampling, vocabulary: int) -> list[Any]:
    """What is added to the model's numbers, bias included; the bias of a token that the model does not have is left
    out."""
    repetition = sampling.repetition_penalty
    penalties: list[Any] = make_logits_processors(
        logit_bias={token: bias for token, bias in sampling.logit_bias if 0 <= token < vocabulary} or None,
        repetition_penalty=repetition if repetition != 1 else None,
        repetition_context_size=REPETITION_CONTEXT,
        presence_penalty=sampling.presence_penalty or None,
        frequency_penalty=sampling.frequency_penalty or None,
    )
    return penalties


class GrammarMask:
    """A logits processor that leaves only what a constraint allows. It is called once for every token."""

    def __init__(self, constraint: Constraint) -> None:
        self._constraint = constraint
        self._begun = False
        self._followed = False

    def __call__(self, tokens: Any, logits: Any) -> Any:
        """`tokens`: all so far; the first time the last one is the prompt's, then it is the one just sampled."""
        mx.async_eval(logits)  # type: ignore[no-untyped-call]
        if self._begun and not self._followed:
            self._constraint.advance(int(tokens[-1].item()))
        self._begun, self._followed = True, False
        mask = self._constraint.allowed()
        return logits if mask is None else masked(logits, mask)

    def take(self, token: int) -> None:
        """Follow a token as soon as it is sampled; else the next call does it."""
        self._constraint.advance(token)
        self._followed = True


def masked(logits: Any, mask: bytes) -> Any:
    """Tokens whose bit is not set become impossible, and so does what the model computes beyond its vocabulary."""
    bits = np.unpackbits(np.frombuffer(mask, np.uint8), bitorder="little")
    size = logits.shape[-1]
    allowed = np.zeros(size, np.bool_)
    allowed[: len(bits)] = bits[:size]
    return mx.where(mx.array(allowed), logits, mx.array(-float("inf"), logits.dtype))


def logprob_of(token: int, logprobs: Any, alternatives: int, text_of: Callable[[Sequence[int]], str]) -> TokenLogprob:
    """What the token was sampled from: after bias, penalties and grammar, before temperature. The alternatives are the
    likeliest tokens, the sampled one among them if it is one of these."""
    values = np.array(logprobs.astype(mx.float32))
    count = min(alternatives, len(values))
    top = np.argpartition(-values, count - 1)[:count] if count else np.array([], np.int64)
    ordered = sorted(((float(values[one]), int(one)) for one in top if np.isfinite(values[one])), reverse=True)
    return TokenLogprob(
        text_of([token]), float(values[token]), tuple((text_of([one]), value) for value, one in ordered)
    )
