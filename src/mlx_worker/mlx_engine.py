"""The runner on mlx-lm: the one file that imports mlx.

mlx-lm's parts are unversioned below `load`, so it is pinned, and tests/integration/mlx_worker/test_mlx_contract.py
holds every name used here. What it leaves to its callers is done here:

- a state handed out by a batch is lazy, or a slice, and would pin the whole batch's memory, so it is detached
  (`mlx_states`);
- a state must never cover the whole prompt: the last token is what the first step computes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx_lm
from mlx import nn
from mlx_lm.generate import StopSequences, TextStateMachine, make_text_state_machine
from mlx_lm.models.cache import can_trim_prompt_cache, make_prompt_cache

from mlx_worker import mlx_states
from mlx_worker.chat_template import TokenizerTemplate
from mlx_worker.constraint import Constraint
from mlx_worker.engine import Drafted, ModelCard
from mlx_worker.errors import ModelLoadError
from mlx_worker.generation import AnswerShape, Generation, Prompt
from mlx_worker.grammars import grammars_of
from mlx_worker.mlx_batch import SharedGenerator
from mlx_worker.mlx_sampling import GrammarMask, logprob_of, penalties_of, sampler_of
from mlx_worker.model_folder import fingerprint_of, name_of, sampling_of
from mlx_worker.prefix_entry import Cut
from mlx_worker.runner import LiveCall, Markers, Memory, Splitter, Step

DEFAULT_CONTEXT = 32_768
LONGEST_TAIL = 16
"""Tokens in which a template may open and close the thinking at the end of a prompt."""
Agree = Callable[[Any], Any]
"""Turns a sampler into one that gives the same token on every rank, where a model is split over several."""


@dataclass(frozen=True, slots=True)
class _Sequence:
    detokenizer: Any
    constraint: Constraint | None
    logprobs: int | None


class MlxRunner:
    """A `Runner` (see there), made on the thread that will use it."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        card: ModelCard,
        fingerprint: str,
        agree: Agree = lambda sampler: sampler,
    ) -> None:
        self.card = card
        self.fingerprint = fingerprint
        self._memory_limit = mlx_states.memory_limit()
        layers = make_prompt_cache(model)
        self.cuttable = all(map(mlx_states.is_plain, layers))
        self.steps_back = all(map(mlx_states.steps_back, layers))
        self.chat = TokenizerTemplate(tokenizer)
        self._grammars = grammars_of(tokenizer)
        self.markers = _markers(tokenizer, self._grammars.live_call if self._grammars else None)
        put_parts_at_hand(model)
        self._model, self._tokenizer = model, tokenizer
        self._agree = agree
        self._stops = StopSequences([(token,) for token in sorted(tokenizer.eos_token_ids)])
        self._vocabulary = len(tokenizer)
        self._sequences: dict[int, _Sequence] = {}
        self._generator = self._new_generator()

    def _new_generator(self) -> Any:
        return SharedGenerator(self._model)

    def new_kv(self) -> Any:
        return make_prompt_cache(self._model)

    def fork(self, kv: Any, length: int | None = None, cut: Cut | None = None) -> Any:
        return mlx_states.fork(kv, length, cut)

    def cut(self, kv: Any, back: int = 0) -> Cut:
        return mlx_states.cut_of(kv, back)

    def save(self, file: Path, kv: Any, cuts: Mapping[int, Cut] | None, head: Mapping[str, str]) -> None:
        mlx_states.save(file, kv, cuts, head)

    def load(self, file: Path) -> tuple[Any, Mapping[int, Cut] | None]:
        return mlx_states.load(file)

    @property
    def drafted(self) -> Drafted | None:
        return None

    def memory(self) -> Memory:
        return Memory(mx.get_active_memory(), self._memory_limit)

    def trimmable(self, kv: Any) -> bool:
        return bool(can_trim_prompt_cache(kv))

    def nbytes(self, kv: Any) -> int:
        return mlx_states.nbytes(kv)

    def prefill(self, kv: Any, tokens: Sequence[int]) -> None:
        with mx.stream(self._generator.stream):
            self._model(mx.array(list(tokens))[None], cache=kv)
            mlx_states.evaluate(kv)
        mx.clear_cache()

    def compile(self, tools: Sequence[dict[str, Any]], shape: AnswerShape) -> None:
        if self._grammars is not None:
            self._grammars.get(tools, shape)

    def start(self, kv: Any, asked: Generation) -> int:
        prompt = asked.prompt.tokens
        constraint = self._constraint(asked)
        processors = penalties_of(asked.sampling, self._vocabulary)
        (uid,) = self._generator.insert(
            [list(prompt[-1:])],
            [asked.max_tokens],
            caches=[kv],
            all_tokens=[list(prompt[:-1])],
            samplers=[self._agree(sampler_of(asked.sampling, self._vocabulary))],
            logits_processors=[[*processors, GrammarMask(constraint)] if constraint else processors],
            stop_sequences=[self._stops],
            telling=[asked.logprobs is not None],
        )
        self._sequences[uid] = _Sequence(self._tokenizer.detokenizer, constraint, asked.logprobs)
        return int(uid)

    def _constraint(self, asked: Generation) -> Constraint | None:
        if self._grammars is None or not (grammar := self._grammars.get(asked.tools, asked.shape)):
            return None
        thinking = asked.prompt.section == "reasoning"
        return Constraint(
            grammar, self._grammars.words, thinking=thinking, may_think=not self._thinking_is_closed(asked.prompt)
        )

    def _thinking_is_closed(self, prompt: Prompt) -> bool:
        """Templates close the thinking at once where none is wanted."""
        tail = self._tokenizer.decode(list(prompt.tokens[max(prompt.stable_end, len(prompt.tokens) - LONGEST_TAIL) :]))
        return bool(self.chat.think_end) and self.chat.think_end in tail

    def step(self) -> list[Step]:
        _, responses = self._generator.next()
        return [self._step(response) for response in responses]

    def _step(self, response: Any) -> Step:
        sequence, logprob = self._sequences[response.uid], None
        if response.finish_reason != "stop":  # then the token is the one that ends the turn, which is no text
            sequence.detokenizer.add_token(response.token)
            if sequence.logprobs is not None:
                logprob = logprob_of(response.token, response.logprobs, sequence.logprobs, self._bytes_of)
        held = sequence.constraint is not None and sequence.constraint.held
        if response.finish_reason is None:
            return Step(response.uid, sequence.detokenizer.last_segment, held=held, logprob=logprob)
        sequence.detokenizer.finalize()
        del self._sequences[response.uid]
        mlx_states.detach(response.prompt_cache)
        return Step(
            response.uid,
            sequence.detokenizer.last_segment,
            response.finish_reason,
            response.prompt_cache,
            response.all_tokens,
            held=held,
            logprob=logprob,
        )

    def _bytes_of(self, token: int) -> bytes:
        if self._grammars is not None:
            return self._grammars.words.bytes_of(token)
        return str(self._tokenizer.decode([token])).encode("utf-8", "replace")

    def drop(self, uid: int) -> tuple[Any, Sequence[int]]:
        kv, tokens = self._generator.remove([uid], return_prompt_caches=True)[uid]
        self._sequences.pop(uid, None)
        mlx_states.detach(kv)
        return kv, list(tokens)

    def rebuild(self) -> None:
        self._generator.close()
        self._sequences.clear()
        self._generator = self._new_generator()
        mx.clear_cache()

    def close(self) -> None:
        self._generator.close()


def _markers(tokenizer: Any, live_call: LiveCall | None) -> Markers:
    machine = make_text_state_machine(tokenizer)

    def splitter(section: str) -> Splitter:
        state = machine.make_state(tokenizer.response_initial_state or section)

        def split(text: str, last: bool) -> list[tuple[str, str]]:
            nonlocal state
            state, segments = TextStateMachine.split(state, text)
            if last:
                state, rest, name = TextStateMachine.flush(state)
                segments.append((name, rest))
            return [(name if name in ("reasoning", "tool") else "normal", text) for name, text in segments]

        return split

    return Markers(
        splitter=splitter,
        tool_start=tokenizer.tool_call_start or "",
        tool_end=tokenizer.tool_call_end or "",
        parse_tool=tokenizer.tool_parser,
        live_call=live_call,
    )


def load_runner(folder: Path) -> MlxRunner:
    """Load a model on the calling thread. Raises ModelLoadError."""
    return made_runner(folder, *load_model(folder))


def load_model(folder: Path) -> tuple[Any, Any, dict[str, Any]]:
    """Model, tokenizer, configuration. Raises ModelLoadError. Code that a model's folder brings is never run."""
    try:
        loaded: tuple[Any, Any, dict[str, Any]] = mlx_lm.load(
            str(folder), tokenizer_config={"trust_remote_code": False}, return_config=True
        )
    except Exception as error:  # files and formats are many: whatever it is, nothing can be served, /health says why
        why = " ".join(str(error).split())  # one line, however many the library takes
        raise ModelLoadError(f"the model {folder} cannot be loaded: {type(error).__name__}: {why}") from error
    return loaded


def put_parts_at_hand(model: Any) -> None:
    """Let a model's code find the modules that a module is made of where Python looks first.

    A module is a dictionary, and Python asks it only after all else has failed, a hundred times a token: a tenth and
    more of the time that it takes to say what is to be computed. What a module is made of never changes from here on.
    """
    for module in model.modules():
        module.__dict__.update({name: part for name, part in module.items() if isinstance(part, nn.Module | list)})


def made_runner(
    folder: Path,
    model: Any,
    tokenizer: Any,
    config: dict[str, Any],
    agree: Agree = lambda sampler: sampler,
    make: Callable[..., MlxRunner] = MlxRunner,
) -> MlxRunner:
    """The runner of what was loaded; make: its class. Raises ModelLoadError for a model that cannot be served."""
    if not tokenizer.has_chat_template:
        raise ModelLoadError(f"the model {folder} has no chat template; choose an instruct model")
    if odd := {type(layer).__name__ for layer in make_prompt_cache(model) if not hasattr(layer, "merge")}:
        raise ModelLoadError(f"the model {folder} cannot be batched by mlx-lm ({', '.join(odd)}); choose another")
    card = ModelCard(
        id=name_of(folder),
        context_length=_context_length(config),
        supports_tools=TokenizerTemplate(tokenizer).shows_tools(),
        sampling=sampling_of(folder),
        vocabulary=len(tokenizer),
    )
    return make(model, tokenizer, card, fingerprint_of(folder), agree)


def _context_length(config: dict[str, Any]) -> int:
    for part in (config, config.get("text_config") or {}):
        if isinstance(length := part.get("max_position_embeddings"), int) and length > 0:
            return length
    return DEFAULT_CONTEXT
