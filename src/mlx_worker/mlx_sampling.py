"""From the model's numbers to a token: samplers, penalties, the masks of a grammar, log probabilities.

The mask of a grammar depends on the token before it, which the generator leaves on the device. So the model's next step
is set going first, and the grammar is asked meanwhile: it costs time only where it takes longer than the model.

mlx-lm's samplers are functions that MLX compiles, anew for each value of each setting, and keeps for ever: a client
that sends a new temperature with each request would fill the memory, and on a CPU have everyone wait for the compiler,
a second or more each time. Hence our own, of plain operations.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import mlx.core as mx
import numpy as np
from mlx_lm.sample_utils import make_logits_processors

from mlx_worker.constraint import Constraint
from mlx_worker.events import TokenLogprob
from mlx_worker.generation import Sampling

GREEDY_BELOW = 1e-5
REPETITION_CONTEXT = 256
"""Tokens that a repetition penalty looks back on. mlx-lm's 20 are shorter than a sentence."""


def sampler_of(sampling: Sampling, vocabulary: int) -> Any:
    greedy = sampling.temperature <= GREEDY_BELOW or sampling.top_p == 0
    if greedy:
        return likeliest
    limits = Limits(sampling.top_p, sampling.min_p, sampling.top_k if 0 < sampling.top_k < vocabulary else 0)
    if sampling.seed is None:
        return _shared_sampler(sampling.temperature, limits)
    return _seeded_sampler(sampling.seed % 2**64, sampling.temperature, limits)


class Limits(NamedTuple):
    """Which tokens may be sampled at all; see `limited`."""

    top_p: float
    min_p: float
    top_k: int


def likeliest(logprobs: Any) -> Any:
    return mx.argmax(logprobs, axis=-1)


@lru_cache(maxsize=32)
def _shared_sampler(temperature: float, limits: Limits) -> Any:
    """One object for equal settings: the generator samples a batch at once when all its samplers are the same."""
    return lambda logprobs: mx.random.categorical(limited(logprobs, limits) * (1 / temperature))


def _seeded_sampler(seed: int, temperature: float, limits: Limits) -> Any:
    """With a random stream of its own, so that a batch's other members do not disturb it."""
    key = mx.random.key(seed)

    def sample(logprobs: Any) -> Any:
        nonlocal key
        key, now = mx.random.split(key)
        return mx.random.categorical(limited(logprobs, limits) * (1 / temperature), key=now)

    return sample


def limited(logprobs: Any, limits: Limits) -> Any:
    """Only the likeliest tokens that have `top_p` of the probability together, of these those with at least `min_p` of
    the likeliest one's, of these the `top_k` likeliest; among equals at a limit, all."""
    if 0 < limits.top_p < 1:
        logprobs = _at_least(_nucleus_end(logprobs, limits.top_p), logprobs)
    if limits.min_p:
        logprobs = _at_least(logprobs.max(axis=-1, keepdims=True) + math.log(limits.min_p), logprobs)
    if limits.top_k:
        logprobs = _at_least(mx.topk(logprobs, limits.top_k, axis=-1).min(axis=-1, keepdims=True), logprobs)
    return logprobs


def _at_least(bound: Any, logprobs: Any) -> Any:
    return mx.where(logprobs < bound, -float("inf"), logprobs)


def _nucleus_end(logprobs: Any, share: float) -> Any:
    """The log probability of the last token that is needed for that share of the whole."""
    ordered = -mx.sort(-logprobs, axis=-1)
    probabilities = mx.exp(ordered.astype(mx.float32))
    before = mx.cumsum(probabilities, axis=-1, inclusive=False)
    needed = before < share * probabilities.sum(axis=-1, keepdims=True)
    return mx.where(needed, ordered, float("inf")).min(axis=-1, keepdims=True)


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


def logprob_of(token: int, logprobs: Any, alternatives: int, bytes_of: Callable[[int], bytes]) -> TokenLogprob:
    """What the token was sampled from: after bias, penalties and grammar, before temperature. The alternatives are the
    likeliest tokens, the sampled one among them if it is one of these."""
    values = np.array(logprobs.astype(mx.float32))
    count = min(alternatives, len(values))
    top = np.argpartition(-values, count - 1)[:count] if count else np.array([], np.int64)
    ordered = sorted(((float(values[one]), int(one)) for one in top if np.isfinite(values[one])), reverse=True)
    return TokenLogprob(bytes_of(token), float(values[token]), tuple((bytes_of(one), value) for value, one in ordered))
