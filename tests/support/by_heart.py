"""A tiny model that knows by heart what to answer to each of some cues, in the files of MLX and of llama.cpp.

Nothing is trained. The weights are set, so that the model does the same on every machine, whatever else stands in its
prompt and however long that is, and is made in a second. It is a `qwen3` of one layer:

- The chat template ends the prompt with one token that says which cue was given last. The layer's only head looks for
  that token: all other keys are zero, and the lowest frequency of the rotation makes distance of no account.
- Each unit of the feed-forward part stands for a cue and a token behind it, and lights up for these two alone. It
  writes the token that comes next. So no answer may hold a token twice with two continuations: `_pieces` cuts it so.
- What tokens look like inside are seeded vectors of signs, which in 128 dimensions are far apart from each other.
"""

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
END = "<|im_end|>"
CALLED = "</tool_call>"
ASKED = "\n"
"""What the prompt ends with."""

ENDLESS = "<|endless|>"
"""At the end of an answer: it never ends, but goes on from the first place where its last piece stood."""

TEMPLATE = Path(__file__).parent / "templates" / "by_heart.jinja"
LONGEST = 255  # bytes of a token; llguidance, which holds calls to their grammar in the worker, passes over longer ones
PLAIN = 640  # tokens for whatever else there is to read
SIGNS = 128
_EVER, _IS_CUE, _SELF, _CUE, _NEXT = 0, 1, 2, 2 + SIGNS, 2 + 2 * SIGNS
WIDTH = 2 + 3 * SIGNS
_SURE = 60.0  # by so much the cue's score is above all others
_SHARP, _ENOUGH = 80.0, 1.7  # of two matches; one and a half are the most that come by chance
_LOUD, _GAIN = 10.0, 100.0
CONTEXT = 65_536

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ByHeart:
    """config: as in MLX's `config.json`. weights: by MLX's names. tokens: as they are spelled there."""

    config: dict[str, Any]
    weights: Mapping[str, Array]
    tokenizer: Tokenizer
    template: str

    @property
    def tokens(self) -> list[str]:
        words: dict[str, int] = self.tokenizer.get_vocab()
        return sorted(words, key=words.__getitem__)


def learn(answers: Mapping[str, str]) -> ByHeart:
    """Cue to answer. Where several cues were given at once, the last of them counts. To none at all it says `ok`."""
    known = {"": "ok"} | dict(answers)
    cut = [_pieces(answer) for answer in known.values()]
    tokenizer = _tokenizer(len(known), {piece for pieces in cut for piece in pieces})
    chains = [(f"<|{number}|>", *pieces) for number, pieces in enumerate(cut)]
    numbered = [[_number(tokenizer, piece) for piece in chain] for chain in chains]
    weights = _weights(numbered, tokenizer.get_vocab_size())
    template = TEMPLATE.read_text().replace("= CUES", "= " + json.dumps(list(answers), ensure_ascii=False))
    return ByHeart(_config(weights), weights, tokenizer, template)


# -- what answers are cut into ---------------------------------------------------------------------------------------


def _pieces(answer: str) -> list[str]:
    """The end of the prompt; words, tags and white space; the end. Joined where a piece would have two continuations,
    but not over the end of a call: as with other models, a token ends there."""
    text, endless, _ = answer.partition(ENDLESS)
    pieces = [ASKED, *re.findall(r"\s*<[^<>]*>|\s*[^\s<]+|\s+|<", text)]
    if endless:
        return pieces
    pieces.append(END)
    while (place := _ambiguous(pieces)) is not None:
        if pieces[place + 1] == END or pieces[place].endswith(CALLED):
            place -= 1
        pieces[place : place + 2] = [pieces[place] + pieces[place + 1]]
    assert max(len(piece.encode()) for piece in pieces) <= LONGEST, f"a piece is too long for a token: {pieces}"
    return pieces


def _ambiguous(pieces: Sequence[str]) -> int | None:
    """Where a piece stands that was followed by another one before."""
    follows: dict[str, str] = {}
    for place, (piece, following) in enumerate(pairwise(pieces)):
        if follows.setdefault(piece, following) != following:
            return place
    return None


# -- the vocabulary --------------------------------------------------------------------------------------------------


def _tokenizer(cues: int, pieces: set[str]) -> Tokenizer:
    """One that reads any text in `PLAIN` tokens. Pieces are tokens too, but as no merge leads to them, only to say."""
    plain = _plain()
    parts = json.loads(plain.to_str())
    words = parts["model"]["vocab"]
    for piece in sorted(pieces - {END}):
        words.setdefault(_spelled(piece), len(words))
    whole = Tokenizer.from_str(json.dumps(parts))
    whole.add_tokens([AddedToken(f"<|{number}|>", normalized=False, special=False) for number in range(cues)])
    return whole


def _plain() -> Tokenizer:
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=PLAIN,
        special_tokens=list(CONTROL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator([Path(module.__file__ or "").read_text() for module in (json, argparse)], trainer)
    return raw


def _spelled(piece: str) -> str:
    """In the letters that stand for bytes."""
    whole = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return "".join(part for part, _ in whole.pre_tokenize_str(piece))


def _number(tokenizer: Tokenizer, piece: str) -> int:
    words = tokenizer.get_vocab()
    return int(words[piece] if piece in words and piece.startswith("<|") else words[_spelled(piece)])


# -- the weights -----------------------------------------------------------------------------------------------------


def _config(weights: Mapping[str, Array]) -> dict[str, Any]:
    return {
        "model_type": "qwen3",
        "hidden_size": WIDTH,
        "num_hidden_layers": 1,
        "intermediate_size": len(weights["model.layers.0.mlp.gate_proj.weight"]),
        "num_attention_heads": 1,
        "num_key_value_heads": 1,
        "head_dim": SIGNS,
        "rms_norm_eps": 1e-6,
        "vocab_size": len(weights["lm_head.weight"]),
        "rope_theta": 1e9,
        "max_position_embeddings": CONTEXT,
        "tie_word_embeddings": False,
        "eos_token_id": CONTROL.index(END),
    }


def _weights(chains: Sequence[Sequence[int]], vocabulary: int) -> dict[str, Array]:
    """chains: for each cue its token, the end of the prompt, and what is said then, token by token."""
    signs = np.random.default_rng(3).choice(np.array([-1, 1], np.float32), (2, vocabulary, SIGNS))
    looks, says = signs[0], signs[1]
    embedded = np.zeros((vocabulary, WIDTH), np.float32)
    embedded[:, _EVER] = 1
    embedded[:, _SELF:_CUE] = looks
    embedded[[chain[0] for chain in chains], _IS_CUE] = 1
    head = np.zeros((vocabulary, WIDTH), np.float32)
    head[:, _NEXT:] = says * (_GAIN / SIGNS)
    block = {**_attention(), **_feed_forward(chains, looks, says)}
    return {
        "model.embed_tokens.weight": embedded,
        **{f"model.layers.0.{name}.weight": value for name, value in block.items()},
        "model.norm.weight": np.ones(WIDTH, np.float32),
        "lm_head.weight": head,
    }


def _attention() -> dict[str, Array]:
    slowest = SIGNS // 2 - 1
    query, key, value = (np.zeros((SIGNS, WIDTH), np.float32) for _ in range(3))
    query[slowest, _EVER] = 1
    key[slowest, _IS_CUE] = 1
    value[:, _SELF:_CUE] = np.eye(SIGNS)
    written = np.zeros((WIDTH, SIGNS), np.float32)
    written[_CUE:_NEXT] = np.eye(SIGNS)
    return {
        "input_layernorm": _scaled(1 + SIGNS),
        "self_attn.q_proj": query,
        "self_attn.k_proj": key,
        "self_attn.v_proj": value,
        "self_attn.o_proj": written,
        "self_attn.q_norm": np.full(SIGNS, _SURE / SIGNS**0.5, np.float32),
        "self_attn.k_norm": np.ones(SIGNS, np.float32),
    }


def _feed_forward(chains: Sequence[Sequence[int]], looks: Array, says: Array) -> dict[str, Array]:
    steps = sorted({(chain[0], now, following) for chain in chains for now, following in pairwise(chain[1:])})
    gate, up = (np.zeros((len(steps), WIDTH), np.float32) for _ in range(2))
    down = np.zeros((WIDTH, len(steps)), np.float32)
    for unit, (cue, now, following) in enumerate(steps):
        gate[unit, _SELF:_CUE] = looks[now] * (_SHARP / SIGNS)
        gate[unit, _CUE:_NEXT] = looks[cue] * (_SHARP / SIGNS)
        down[_NEXT:, unit] = says[following] * (_LOUD / _SHARP / (2 - _ENOUGH))
    gate[:, _EVER] = -_SHARP * _ENOUGH
    up[:, _EVER] = 1
    return {
        "post_attention_layernorm": _scaled(1 + 2 * SIGNS),
        "mlp.gate_proj": gate,
        "mlp.up_proj": up,
        "mlp.down_proj": down,
    }


def _scaled(squares: float) -> Array:
    """The weights of a norm that leaves a vector with this sum of squares as it is."""
    return np.full(WIDTH, (squares / WIDTH) ** 0.5, np.float32)
