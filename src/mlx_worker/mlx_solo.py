"""The runner that decodes one answer at a time, where the state is quantised or a draft model helps.

- Quantised: the keys and values of plain attention are kept in 8 or 4 bits from the first token on, where mlx-lm by
  default begins with the 5,000th: what a token leaves in a state must not depend on the prompt that it was computed
  for, or a prefix found again would change the answer. Recurrent layers and sliding windows, which do not grow, stay.
- With a draft model, the state is that of both models.
"""

import logging
from functools import partial
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx_lm.models.cache import KVCache, make_prompt_cache

from mlx_worker import mlx_states
from mlx_worker.engine import Drafted, ModelCard
from mlx_worker.errors import ModelLoadError
from mlx_worker.jobs import Limits
from mlx_worker.mlx_decoding import Decoder, DraftDecoder, PlainDecoder, SoloGenerator
from mlx_worker.mlx_engine import Agree, MlxRunner, load_model, load_runner, made_runner
from mlx_worker.model_folder import fault, fingerprint_of, name_of

log = logging.getLogger("mlx_worker")

GROUPS = (64, 32)
"""Numbers that share a scale, the first that divides the size of a model's heads. mlx-lm takes the first alone."""


class KeptBits:
    """How the states of one model are kept. bits 0: as it computes them. Raises ModelLoadError where they cannot be."""

    def __init__(self, model: Any, bits: int) -> None:
        self._model, self._bits = model, bits
        self._group = self._fitting_group() if bits else 0

    def new(self) -> list[Any]:
        return self._quantised(make_prompt_cache(self._model), self._group) if self._bits else self._plain()

    def _plain(self) -> list[Any]:
        layers: list[Any] = make_prompt_cache(self._model)
        return layers

    def _quantised(self, layers: list[Any], group: int) -> list[Any]:
        return [
            layer.to_quantized(group_size=group, bits=self._bits) if type(layer) is KVCache else layer
            for layer in layers
        ]

    def _fitting_group(self) -> int:
        if not any(type(layer) is KVCache for layer in self._plain()):
            raise self._refusal("it has no layers of plain attention")
        why = ""
        for group in GROUPS:
            kv = self._quantised(self._plain(), group)
            try:
                self._model(mx.array([[0, 0]]), cache=kv)
                mlx_states.evaluate(kv)
            except Exception as error:  # models are programs of many authors: some cannot, and say so in many ways
                why = f"{type(error).__name__}: {error}"
            else:
                return group
        raise self._refusal(why)

    def _refusal(self, why: str) -> ModelLoadError:
        return ModelLoadError(f"MLX_KV_BITS={self._bits} does not work with this model ({why}); set it to 0")


class SoloRunner(MlxRunner):
    """An `MlxRunner` whose sequences are decoded each for itself. draft: another model of the same vocabulary.

    Raises ModelLoadError for models that cannot be served so.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        card: ModelCard,
        fingerprint: str,
        agree: Agree = lambda sampler: sampler,
        *,
        kv_bits: int = 0,
        draft: Any = None,
    ) -> None:
        self._kept = [KeptBits(one, kv_bits) for one in (model, draft) if one is not None]
        self._decoder: Decoder = PlainDecoder(model) if draft is None else _drafting(model, draft, len(tokenizer))
        super().__init__(model, tokenizer, card, fingerprint, agree)

    def _new_generator(self) -> Any:
        return SoloGenerator(self._decoder)

    @property
    def drafted(self) -> Drafted | None:
        return self._decoder.drafted if isinstance(self._decoder, DraftDecoder) else None

    def new_kv(self) -> Any:
        return [layer for kept in self._kept for layer in kept.new()]

    def prefill(self, kv: Any, tokens: Any) -> None:
        with mx.stream(self._generator.stream):
            self._decoder.compute(kv, tokens)
            mlx_states.evaluate(kv)
        mx.clear_cache()


def _drafting(model: Any, draft: Any, vocabulary: int) -> DraftDecoder:
    for one, name in ((model, "the model"), (draft, "the draft model")):
        layers = make_prompt_cache(one)
        odd = sorted({type(layer).__name__ for layer in layers if not mlx_states.is_plain(layer)})
        if odd or len(layers) != len(one.layers):
            raise ModelLoadError(
                f"MLX_DRAFT_MODEL needs models of plain attention, and {name} has others ({', '.join(odd)}); unset it"
            )
    return DraftDecoder(model, draft, vocabulary)


def load_as_set(folder: Path, limits: Limits) -> MlxRunner:
    """The runner that these limits ask for, on the calling thread. Raises ModelLoadError."""
    return load_solo(folder, limits) if limits.solo else load_runner(folder)


def load_solo(folder: Path, limits: Limits) -> MlxRunner:
    bits, draft_folder = limits.kv_bits, limits.draft_model
    model, tokenizer, config = load_model(folder)
    draft = load_draft(draft_folder, tokenizer) if draft_folder else None
    runner = made_runner(folder, model, tokenizer, config, make=partial(SoloRunner, kv_bits=bits, draft=draft))
    runner.fingerprint += f"-kv{bits}" * bool(bits) + (f"-{fingerprint_of(draft_folder)}" if draft_folder else "")
    kept = f"states in {bits} bits" if bits else ""
    helped = f"the draft model {name_of(draft_folder)}" if draft_folder else ""
    log.warning("one answer is decoded at a time, with %s", " and ".join(filter(None, (kept, helped))))
    return runner


def load_draft(folder: Path, tokenizer: Any) -> Any:
    """A model that knows every token of a tokenizer by the same number. Raises ModelLoadError."""
    if why := fault(folder):
        raise ModelLoadError(f"the draft model {folder} {why}; correct or unset MLX_DRAFT_MODEL")
    draft, its_tokenizer, _ = load_model(folder)
    if not tokenizer.get_vocab().items() <= its_tokenizer.get_vocab().items():
        raise ModelLoadError(
            f"the draft model {folder} has another vocabulary than the model; take one of the same family, "
            "or unset MLX_DRAFT_MODEL"
        )
    return draft
