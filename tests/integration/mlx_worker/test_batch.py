"""Sequences that decode beside one another: alone, joined by others, left by them, and alone again."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx_lm
import pytest
from mlx_lm.generate import GenerationBatch, StopSequences
from mlx_lm.models.cache import KVCache, make_prompt_cache

from mlx_worker import mlx_states
from mlx_worker.generation import Sampling
from mlx_worker.mlx_batch import SharedGenerator
from mlx_worker.mlx_sampling import sampler_of


@pytest.fixture(scope="module", params=["attention_model", "hybrid_model", "window_model"])
def model(request: pytest.FixtureRequest) -> Any:
    return mlx_lm.load(str(request.getfixturevalue(request.param)))[0]


def begin(
    generator: SharedGenerator, prompt: Sequence[int], kv: Any, count: int, stops: Any = (), **options: Any
) -> int:
    usual: dict[str, Any] = {
        "samplers": [sampler_of(Sampling(temperature=0.0), 1024)],
        "logits_processors": [()],
        "stop_sequences": [StopSequences(stops)],
    }
    (uid,) = generator.insert([prompt[-1:]], [count], caches=[kv], all_tokens=[prompt[:-1]], **(usual | options))
    return uid


class Decoded:
    """A generator and what each of its sequences has said."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.generator = SharedGenerator(model)
        self.said: dict[int, list[int]] = {}
        self.ended: dict[int, Any] = {}
        self.rows: dict[int, list[Any]] = {}

    def begin(self, prompt: Sequence[int], count: int, stops: Sequence[Sequence[int]] = (), **options: Any) -> int:
        uid = begin(self.generator, prompt, computed(self.model, prompt[:-1]), count, stops, **options)
        self.said[uid], self.rows[uid] = [], []
        return uid

    def run(self, steps: int) -> None:
        for _ in range(steps):
            for response in self.generator.next()[1]:
                self.said[response.uid].append(response.token)
                self.rows[response.uid].append(response.logprobs)
                if response.finish_reason:
                    self.ended[response.uid] = response


def computed(model: Any, tokens: Sequence[int]) -> Any:
    kv = make_prompt_cache(model)
    model(mx.array(list(tokens))[None], cache=kv)
    mlx_states.evaluate(kv)
    return kv


def prompt(length: int, start: int) -> list[int]:
    return [(start + place) * 37 % 900 + 50 for place in range(length)]


PROMPTS = [prompt(100, 1), prompt(20, 400), prompt(150, 700)]


def alone(model: Any, tokens: Sequence[int], count: int) -> list[int]:
    decoded = Decoded(model)
    uid = decoded.begin(tokens, count)
    decoded.run(count)
    return decoded.said[uid]


def test_log_probabilities_are_for_those_who_want_them_and_change_no_token(model: Any) -> None:
    decoded = Decoded(model)
    quiet = decoded.begin(PROMPTS[0], 12, telling=[False])
    decoded.run(3)
    told = decoded.begin(PROMPTS[1], 5, telling=[True])
    chance = decoded.begin(
        PROMPTS[2], 5, telling=[False], samplers=[sampler_of(Sampling(temperature=1.0, seed=3), 1024)]
    )
    decoded.run(9)
    assert decoded.said[quiet] == alone(model, PROMPTS[0], 12)
    assert decoded.said[told] == alone(model, PROMPTS[1], 5)
    assert {row is None for uid in (quiet, chance) for row in decoded.rows[uid]} == {True}
    for token, row in zip(decoded.said[told], decoded.rows[told], strict=True):
        assert mx.argmax(row).item() == token
        assert mx.exp(row).sum().item() == pytest.approx(1.0, abs=1e-3)


def test_it_decodes_as_mlx_lm_does_with_processors_too(model: Any) -> None:
    """`GenerationBatch` of mlx-lm, whose step is our own, on the same state."""
    seen: dict[str, list[list[int]]] = {"mlx-lm's": [], "ours": []}

    def no_token_twice(name: str) -> Any:
        def process(tokens: Any, logits: Any) -> Any:
            seen[name].append(tokens.tolist())
            return logits - 1e3 * (mx.arange(logits.shape[-1])[:, None] == tokens).any(axis=1)

        return process

    kv, likeliest = computed(model, PROMPTS[0][:-1]), sampler_of(Sampling(temperature=0.0), 1024)
    last, before = mx.array(PROMPTS[0][-1:], mx.uint32), [list(PROMPTS[0][:-1])]
    processors, stops = [(no_token_twice("mlx-lm's"),)], [StopSequences()]
    theirs = GenerationBatch(model, [1], last, kv, before, [likeliest], likeliest, processors, stops, [99])
    expected = [theirs.next()[0].token for _ in range(6)]
    decoded = Decoded(model)
    uid = decoded.begin(PROMPTS[0], 6, logits_processors=[(no_token_twice("ours"),)], telling=[False])
    decoded.run(6)
    assert decoded.said[uid] == expected
    assert len(set(expected)) == 6
    assert seen["ours"] == seen["mlx-lm's"]


def test_each_says_what_it_says_alone_whoever_comes_and_goes(model: Any) -> None:
    decoded = Decoded(model)
    first = decoded.begin(PROMPTS[0], 40)
    decoded.run(5)
    second = decoded.begin(PROMPTS[1], 8)
    decoded.run(3)
    third = decoded.begin(PROMPTS[2], 6)
    decoded.run(20)
    assert set(decoded.ended) == {second, third}
    fourth = decoded.begin(PROMPTS[1], 20)
    decoded.run(1 + 20)
    for uid, tokens, count in ((first, PROMPTS[0], 40), (second, PROMPTS[1], 8), (third, PROMPTS[2], 6)):
        assert decoded.said[uid] == alone(model, tokens, count)
    assert decoded.said[fourth] == alone(model, PROMPTS[1], 20)
    assert decoded.generator.next() == ([], [])


def test_what_each_leaves_behind_is_what_was_computed(model: Any) -> None:
    decoded = Decoded(model)
    first = decoded.begin(PROMPTS[0], 12)
    decoded.run(2)
    second = decoded.begin(PROMPTS[1], 4)
    decoded.run(12)
    for uid in (first, second):
        left = decoded.ended[uid]
        mlx_states.detach(left.prompt_cache)
        both = (left.prompt_cache, computed(model, left.all_tokens))
        one, other = (model(mx.array([[5]]), cache=kv) for kv in both)
        assert mx.allclose(one, other, atol=1e-3)


def test_a_newcomer_may_leave_before_its_first_step(model: Any) -> None:
    decoded = Decoded(model)
    staying = decoded.begin(PROMPTS[0], 10)
    decoded.run(1)
    leaving = decoded.begin(PROMPTS[1], 10)
    kv, tokens = decoded.generator.remove([leaving], return_prompt_caches=True)[leaving]
    mlx_states.detach(kv)
    assert list(tokens) == PROMPTS[1][:-1]
    one, other = (model(mx.array([[5]]), cache=state) for state in (kv, computed(model, tokens)))
    assert mx.allclose(one, other, atol=1e-3)
    decoded.run(9)
    assert decoded.said[staying] == alone(model, PROMPTS[0], 10)
    assert decoded.said[leaving] == []


def test_who_is_alone_is_decoded_on_a_state_of_one(attention_model: Path) -> None:
    decoded = Decoded(mlx_lm.load(str(attention_model))[0])

    def kinds() -> set[bool]:
        return {type(layer) is KVCache for layer in decoded.generator._members.prompt_cache}  # type: ignore[union-attr]

    decoded.begin(PROMPTS[0], 20)
    decoded.run(2)
    assert kinds() == {True}
    decoded.begin(PROMPTS[1], 3)
    decoded.run(1)
    assert kinds() == {False}
    decoded.run(5)
    assert kinds() == {True}


def test_who_joins_costs_no_pass_of_its_own(attention_model: Path) -> None:
    model = mlx_lm.load(str(attention_model))[0]
    rows: list[int] = []

    def counted(tokens: Any, **fields: Any) -> Any:
        rows.append(tokens.shape[0])
        return model(tokens, **fields)

    generator = SharedGenerator(counted)
    begin(generator, PROMPTS[0], computed(model, PROMPTS[0][:-1]), 10)
    generator.next()
    assert rows == [1, 1]
    for tokens in PROMPTS[1:]:
        begin(generator, tokens, computed(model, tokens[:-1]), 10)
    assert [len(generator.next()[1]) for _ in range(2)] == [1, 3]
    assert rows == [1, 1, 3, 3]


def test_the_end_of_a_prompt_ends_no_answer_and_counts_as_none_of_it(model: Any) -> None:
    decoded = Decoded(model)
    first = decoded.begin(PROMPTS[0], 10)
    decoded.run(1)
    joining = decoded.begin(PROMPTS[1], 1, [PROMPTS[1][-1:]])
    decoded.run(9)
    assert decoded.said == {first: alone(model, PROMPTS[0], 10), joining: alone(model, PROMPTS[1], 1)}
    assert decoded.ended[joining].finish_reason in ("length", "stop")
