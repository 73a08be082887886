"""Every part of mlx and mlx-lm that mlx_engine stands on, one test each, so that an upgrade says what it moved.

What the engine works around in mlx-lm 0.32.2 is held here too: when one of these fails, the workaround may go.
"""

import copy
import inspect
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx_lm
import pytest
from mlx.utils import tree_flatten
from mlx_lm.generate import (
    GenerationBatch,
    StopSequences,
    TextStateMachine,
    generate_step,
    generation_stream,
    make_text_state_machine,
    speculative_generate_step,
)
from mlx_lm.models.cache import (
    KVCache,
    QuantizedKVCache,
    RotatingKVCache,
    can_trim_prompt_cache,
    load_prompt_cache,
    make_prompt_cache,
    save_prompt_cache,
    trim_prompt_cache,
)
from mlx_lm.sample_utils import make_logits_processors, make_sampler
from mlx_lm.utils import maybe_set_recommended_wired_limit

from mlx_worker.disk_cache import read_head
from mlx_worker.mlx_batch import SharedGenerator
from mlx_worker.mlx_engine import put_parts_at_hand

PROMPT = list(range(10, 60))


@pytest.fixture(scope="module")
def loaded(attention_model: Path) -> tuple[Any, Any, dict[str, Any]]:
    model, tokenizer, config = mlx_lm.load(
        str(attention_model), tokenizer_config={"trust_remote_code": False}, return_config=True
    )
    return model, tokenizer, config


@pytest.fixture(scope="module")
def hybrid(hybrid_model: Path) -> Any:
    return mlx_lm.load(str(hybrid_model))[0]


@pytest.fixture
def generator(loaded: tuple[Any, Any, Any]) -> Iterator[Any]:
    generator = SharedGenerator(loaded[0])
    yield generator
    generator.close()


def computed(model: Any, tokens: list[int]) -> Any:
    kv = make_prompt_cache(model)
    model(mx.array(tokens)[None], cache=kv)
    mx.eval([layer.state for layer in kv])
    return kv


def begun(generator: Any, kv: Any, prompt: list[int], count: int = 5, **options: Any) -> int:
    usual = {"samplers": [make_sampler(0.0)], "logits_processors": [[]], "stop_sequences": [StopSequences()]}
    (uid,) = generator.insert([prompt[-1:]], [count], caches=[kv], all_tokens=[list(prompt[:-1])], **(usual | options))
    return int(uid)


def decoded(generator: Any, kv: Any, prompt: list[int], **options: Any) -> list[Any]:
    uid = begun(generator, kv, prompt, **options)
    responses: list[Any] = []
    while not (responses and responses[-1].finish_reason):
        responses += [response for response in generator.next()[1] if response.uid == uid]
    return responses


def test_load(loaded: tuple[Any, Any, dict[str, Any]]) -> None:
    assert loaded[2]["max_position_embeddings"] == 32_768
    default = inspect.signature(mlx_lm.load).parameters["trust_remote_code"].default
    assert default is False


def test_the_parts_of_a_module_are_looked_up_last(attention_model: Path) -> None:
    """A module is a dictionary of its parts, which Python finds first where they are attributes, too."""
    model = mlx_lm.load(str(attention_model))[0]
    layer, prompt = model.layers[0], mx.array([PROMPT])
    before = model(prompt)
    assert "mlp" in layer
    assert "mlp" not in vars(layer)
    parameters = len(tree_flatten(model.parameters()))
    put_parts_at_hand(model)
    assert vars(layer)["mlp"] is layer["mlp"] is layer.mlp
    assert all(vars(module)[name] is module[name] for module in model.modules() for name in module.children())
    assert len(tree_flatten(model.parameters())) == parameters
    assert mx.array_equal(model(prompt), before)


def test_the_tokenizer(loaded: tuple[Any, Any, Any]) -> None:
    tokenizer = loaded[1]
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": "hi"}], tools=None, add_generation_prompt=True, tokenize=False
    )
    assert text == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
    whole = tokenizer.apply_chat_template([{"role": "user", "content": "hi"}], add_generation_prompt=True)
    assert list(tokenizer.encode(text, add_special_tokens=False)) == list(whole)
    assert (tokenizer.think_start, tokenizer.think_end) == ("<think>", "</think>")
    assert (tokenizer.tool_call_start, tokenizer.tool_call_end) == ("<tool_call>", "</tool_call>")
    assert tokenizer.tool_parser('{"name": "f", "arguments": {}}', None) == {"name": "f", "arguments": {}}
    assert tokenizer.has_chat_template
    assert tokenizer.response_initial_state is None
    assert tokenizer.eos_token_ids
    assert len(tokenizer) == 1024


def test_the_detokenizer_is_fresh_each_time(loaded: tuple[Any, Any, Any]) -> None:
    tokenizer = loaded[1]
    for _ in range(2):
        detokenizer = tokenizer.detokenizer
        for token in tokenizer.encode("caf\u00e9 \U0001f600!", add_special_tokens=False):
            detokenizer.add_token(token)
        detokenizer.finalize()
        assert detokenizer.last_segment == "caf\u00e9 \U0001f600!"


def test_the_text_state_machine(loaded: tuple[Any, Any, Any]) -> None:
    machine = make_text_state_machine(loaded[1])
    state, found = machine.make_state("reasoning"), []
    for text in ("Hm</thi", "nk>Yes<tool_call>{}</tool", "_call>", "<to"):
        state, segments = TextStateMachine.split(state, text)
        found += segments
    state, rest, name = TextStateMachine.flush(state)
    found.append((name, rest))
    assert [segment for segment in found if segment[1]] == [
        ("reasoning", "Hm"),
        ("normal", "Yes"),
        ("tool", "{}"),
        ("normal", "<to"),
    ]


def test_the_generator_goes_on_from_a_state_and_does_not_write_into_it(
    loaded: tuple[Any, Any, Any], generator: Any
) -> None:
    kv = computed(loaded[0], PROMPT[:-1])
    first = decoded(generator, kv, PROMPT)
    assert kv[0].offset == len(PROMPT) - 1
    again = decoded(generator, kv, PROMPT)
    assert [response.token for response in first] == [response.token for response in again]


def test_a_finished_sequence_hands_out_its_state_and_the_tokens_in_it(
    loaded: tuple[Any, Any, Any], generator: Any
) -> None:
    responses = decoded(generator, computed(loaded[0], PROMPT[:-1]), PROMPT)
    last = responses[-1]
    assert last.finish_reason == "length"
    assert list(last.all_tokens) == [*PROMPT, *(response.token for response in responses)]
    assert last.prompt_cache[0].offset == len(last.all_tokens)


def test_a_removed_sequence_hands_out_its_state(loaded: tuple[Any, Any, Any], generator: Any) -> None:
    kv = computed(loaded[0], PROMPT[:-1])
    uid = begun(generator, kv, PROMPT, 50)
    said = [response.token for _ in range(4) for response in generator.next()[1]]
    kept, tokens = generator.remove([uid], return_prompt_caches=True)[uid]
    mx.eval([layer.state for layer in kept])
    assert list(tokens) == [*PROMPT, *said]
    assert kept[0].offset == len(tokens)
    assert generator.next() == ([], [])


def test_stop_sequences_and_samplers_are_a_requests_own(loaded: tuple[Any, Any, Any], generator: Any) -> None:
    kv = computed(loaded[0], PROMPT[:-1])
    token = decoded(generator, kv, PROMPT)[0].token
    stopped = decoded(
        generator,
        kv,
        PROMPT,
        samplers=[make_sampler(0.0)],
        logits_processors=[make_logits_processors(presence_penalty=0.0)],
        stop_sequences=[StopSequences([(token,)])],
    )
    assert [response.finish_reason for response in stopped] == ["stop"]


def test_states_can_be_cut_back_or_not(loaded: tuple[Any, Any, Any], hybrid: Any) -> None:
    plain = computed(loaded[0], PROMPT)
    assert can_trim_prompt_cache(plain)
    assert trim_prompt_cache(plain, 10) == 10
    assert plain[0].offset == len(PROMPT) - 10
    assert all(type(layer) is KVCache for layer in plain)
    assert not can_trim_prompt_cache(computed(hybrid, PROMPT))


def test_a_copy_of_a_state_is_independent(loaded: tuple[Any, Any, Any], hybrid: Any) -> None:
    for model in (loaded[0], hybrid):
        original = computed(model, PROMPT)
        twin = copy.deepcopy(original)
        before = [mx.array(part) for part in _arrays(original)]
        model(mx.array([[1, 2, 3]]), cache=twin)
        mx.eval([layer.state for layer in twin])
        assert all(mx.array_equal(old, new) for old, new in zip(before, _arrays(original), strict=True))


def _arrays(kv: Any) -> list[Any]:
    flat = [part for layer in kv for part in layer.state]
    parts = [item for part in flat for item in (part if isinstance(part, list) else [part])]
    return [part for part in parts if isinstance(part, mx.array)]


def test_states_are_saved_with_texts_in_the_head_and_loaded_the_same(
    loaded: tuple[Any, Any, Any], hybrid: Any, tmp_path: Path
) -> None:
    for place, model in enumerate((loaded[0], hybrid)):
        kv = make_prompt_cache(model)
        model(mx.array([[1, 2, 3]]), cache=kv)
        file = tmp_path / f"{place}.safetensors"
        save_prompt_cache(str(file), kv, {"kind": "user"})
        assert read_head(file) == {"kind": "user"}
        again, head = load_prompt_cache(str(file), return_metadata=True)
        assert head == {"kind": "user"}
        assert [type(layer) for layer in again] == [type(layer) for layer in kv]
        assert mx.allclose(model(mx.array([[4]]), cache=again), model(mx.array([[4]]), cache=kv))


def test_memory_is_told_and_bounded() -> None:
    before = mx.get_active_memory()
    held = mx.zeros((1000, 1000))
    mx.eval(held)
    assert mx.get_active_memory() - before >= held.nbytes
    assert isinstance(mx.set_cache_limit(1 << 30), int)
    assert isinstance(mx.metal.is_available(), bool)


def test_all_states_can_be_merged_into_a_batch(loaded: tuple[Any, Any, Any], hybrid: Any) -> None:
    assert all(hasattr(layer, "merge") for model in (loaded[0], hybrid) for layer in make_prompt_cache(model))


@pytest.fixture(scope="module")
def wide(wide_model: Path) -> Any:
    return mlx_lm.load(str(wide_model))[0]


def quantised(model: Any, tokens: list[int]) -> Any:
    kv = [layer.to_quantized(group_size=32, bits=8) for layer in make_prompt_cache(model)]
    model(mx.array(tokens)[None], cache=kv)
    mx.eval([layer.state for layer in kv])
    return kv


def test_a_quantised_state_is_cut_and_saved_but_not_batched(wide: Any, tmp_path: Path) -> None:
    kv = quantised(wide, PROMPT)
    assert all(type(layer) is QuantizedKVCache and not hasattr(layer, "merge") for layer in kv)
    assert kv[0].nbytes < computed(wide, PROMPT)[0].nbytes / 3
    assert len(kv[0].keys) == 3
    assert trim_prompt_cache(kv, 10) == 10
    file = tmp_path / "quantised.safetensors"
    save_prompt_cache(str(file), kv, {})
    again = load_prompt_cache(str(file))
    assert [(layer.offset, layer.group_size, layer.bits) for layer in again] == [(len(PROMPT) - 10, 32, 8)] * len(kv)
    one, other = (wide(mx.array([[4, 5]]), cache=state) for state in (copy.deepcopy(kv), again))
    assert mx.array_equal(one, other)


def test_a_window_holds_the_latest_chunk_beside_what_it_showed_before(window_model: Path) -> None:
    """In order, up to `_idx`. With `keep`, the first tokens would stay for good."""
    layer = computed(mlx_lm.load(str(window_model))[0], list(range(200)))[0]
    assert type(layer) is RotatingKVCache
    assert (layer.keep, layer.max_size, layer.offset) == (0, 64, 200)
    keys, values = (mx.arange(30 * 32, dtype=mx.float32).reshape(1, 2, 30, 16) for _ in range(2))
    layer.update_and_fetch(keys, values)
    assert layer._idx == layer.keys.shape[2] == layer.values.shape[2] == 63 + 30
    assert mx.array_equal(layer.keys[..., 63:, :], keys)


def test_a_quantised_state_that_holds_nothing_cannot_tell_its_bytes() -> None:
    """Why mlx_states does not ask it."""
    with pytest.raises(AttributeError):
        _ = KVCache().to_quantized(group_size=32, bits=8).nbytes


def test_heads_that_do_not_divide_are_refused(loaded: tuple[Any, Any, Any]) -> None:
    with pytest.raises(ValueError, match="divisible"):
        quantised(loaded[0], PROMPT)


def test_a_single_sequence_writes_into_its_state_and_is_one_token_ahead(
    loaded: tuple[Any, Any, Any], generator: Any
) -> None:
    kv, contexts = computed(loaded[0], PROMPT[:-1]), list[int]()

    def processor(tokens: Any, logits: Any) -> Any:
        contexts.append(len(tokens))
        return logits

    steps = generate_step(
        mx.array(PROMPT[-1:], mx.uint32),
        loaded[0],
        max_tokens=5,
        sampler=make_sampler(0.0),
        logits_processors=[processor],
        prompt_cache=kv,
    )
    (first, logprobs), (second, _) = next(steps), next(steps)
    steps.close()
    assert contexts == [1, 2, 3], "it knows nothing of the prompt before its last token"
    assert logprobs.shape == (1024,)
    assert kv[0].offset == len(PROMPT) + 2
    batched = decoded(generator, computed(loaded[0], PROMPT[:-1]), PROMPT)
    assert [response.token for response in batched][:2] == [first, second]


def test_speculation_asks_processors_about_tokens_that_it_throws_away(loaded: tuple[Any, Any, Any]) -> None:
    """Why the loop is our own: a grammar and a random stream follow every token once."""
    asked = 0

    def processor(tokens: Any, logits: Any) -> Any:
        nonlocal asked
        asked += 1
        return logits

    steps = speculative_generate_step(
        mx.array(PROMPT), loaded[0], loaded[0], num_draft_tokens=3, max_tokens=4, logits_processors=[processor]
    )
    assert len(list(steps)) == 4 < asked


def test_the_parts_of_a_generator_that_are_used_alone() -> None:
    response = GenerationBatch.Response(1, 2, None, "stop", [], [3])
    assert (response.uid, response.token, response.finish_reason, response.all_tokens) == (1, 2, "stop", [3])
    assert maybe_set_recommended_wired_limit() is None or mx.metal.is_available()
    with mx.stream(generation_stream):
        assert mx.ones(1).item() == 1
    matcher = StopSequences([(7,)]).matcher()
    assert [matcher.advance(token) for token in (5, 7)] == [False, True]


def test_sampling_parts() -> None:
    logprobs = mx.log(mx.array([[0.5, 0.3, 0.15, 0.05]]))
    assert mx.topk(logprobs, 2, axis=-1).min().item() == pytest.approx(math.log(0.3))
    assert mx.cumsum(mx.array([1, 2, 3]), inclusive=False).tolist() == [0, 1, 3]
    _, one = mx.random.split(mx.random.key(2**64 - 1))
    assert mx.random.categorical(logprobs, key=one).tolist() == mx.random.categorical(logprobs, key=one).tolist()


def test_a_logits_processor_sees_every_token_once(loaded: tuple[Any, Any, Any], generator: Any) -> None:
    """First with the prompt's last token, then with each one sampled; its caller waits for none of them."""
    seen: list[list[int]] = []

    def only_the_next(tokens: Any, logits: Any) -> Any:
        assert tuple(logits.shape) == (1, 1024)
        mx.async_eval(logits)  # type: ignore[no-untyped-call]
        seen.append(tokens.tolist())
        allowed = mx.arange(1024) == 100 + len(seen)
        return mx.where(allowed, logits, mx.array(-float("inf"), logits.dtype))

    responses = decoded(generator, computed(loaded[0], PROMPT[:-1]), PROMPT, logits_processors=[[only_the_next]])
    assert [response.token for response in responses] == [101, 102, 103, 104, 105]
    assert seen[:3] == [PROMPT, [*PROMPT, 101], [*PROMPT, 101, 102]]
    assert [int(tokens[-1]) for tokens in seen] == [PROMPT[-1], 101, 102, 103, 104, 105]
    assert all(response.logprobs[response.token].item() == 0 for response in responses)


def test_a_bias_is_added() -> None:
    (bias,) = make_logits_processors(logit_bias={1: 2.5})
    assert bias(mx.array([0]), mx.array([[1.0, 1.0, 1.0]])).tolist() == [[1.0, 3.5, 1.0]]


def test_the_parser_has_a_name(loaded: tuple[Any, Any, Any]) -> None:
    assert loaded[1].init_kwargs["tool_parser_type"] == "json_tools"
    assert type(loaded[1]._tokenizer).__name__.endswith("Fast") or loaded[1]._tokenizer.is_fast
