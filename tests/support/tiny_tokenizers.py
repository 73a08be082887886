"""Tokenizers of the kinds that local models have, trained on the spot, with added tokens of every sort."""

import argparse
import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

QWEN_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SAFE = ("<|im_start|>", "<|im_end|>", "<think>", "[INST]")
MARKERS = [AddedToken(word, normalized=False, special=word.startswith("<|")) for word in SAFE]
UNSAFE = [
    AddedToken("<|left|>", lstrip=True, normalized=False),
    AddedToken("<|word|>", single_word=True, normalized=False),
    AddedToken("<|norm|>", normalized=True),
    AddedToken("x<tag>", normalized=False),
    AddedToken("<tag>", normalized=False),
    AddedToken("<tag>er", normalized=False),
    AddedToken("(((", normalized=False),
    AddedToken("\n\n", normalized=False),
]
RIGHT = AddedToken("<|right|>", rstrip=True, normalized=False)
EVERY = [*MARKERS, *UNSAFE, RIGHT]
SHOWN = "".join(token.content for token in EVERY)


def byte_level() -> Tokenizer:
    """As Qwen's."""
    raw = Tokenizer(models.BPE())
    raw.normalizer = normalizers.NFC()
    split = pre_tokenizers.Split(Regex(QWEN_SPLIT), "isolated")
    raw.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    return raw


def prefix_space() -> Tokenizer:
    """As GPT-2's in its first form, and with digits by themselves, as SmolLM2's."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=True)]
    )
    return raw


def prepended() -> Tokenizer:
    """As Llama 2's: sentencepiece by normalizers, no words."""
    raw = Tokenizer(models.BPE(unk_token="<unk>"))
    raw.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    return raw


def replaced() -> Tokenizer:
    """As Gemma's: nothing is put in front."""
    raw = Tokenizer(models.BPE(unk_token="<unk>"))
    raw.normalizer = normalizers.Replace(" ", "▁")
    raw.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    return raw


def metaspace_first() -> Tokenizer:
    """What is put in front depends on the place in the whole text."""
    raw = Tokenizer(models.BPE(unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    return raw


def unigram() -> Tokenizer:
    raw = Tokenizer(models.Unigram())
    raw.normalizer = normalizers.NFKC()
    raw.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    return raw


def lower_case() -> Tokenizer:
    raw = Tokenizer(models.WordPiece(unk_token="<unk>"))
    raw.normalizer = normalizers.BertNormalizer(lowercase=True)
    raw.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return raw


KINDS: Mapping[str, Callable[[], Tokenizer]] = {
    each.__name__: each
    for each in (byte_level, prefix_space, prepended, replaced, metaspace_first, unigram, lower_case)
}


@cache
def made(kind: str, *added: AddedToken) -> Any:
    raw = KINDS[kind]()
    fields: dict[str, Any] = {"vocab_size": 600, "special_tokens": ["<unk>", "<s>"], "show_progress": False}
    if kind in ("byte_level", "prefix_space"):
        fields["initial_alphabet"] = pre_tokenizers.ByteLevel.alphabet()
    if kind == "unigram":
        trainer: Any = trainers.UnigramTrainer(**fields, unk_token="<unk>")
    else:
        trainer = (trainers.WordPieceTrainer if kind == "lower_case" else trainers.BpeTrainer)(**fields)
    lines = [Path(module.__file__ or "").read_text()[:20_000] for module in (json, argparse)]
    raw.train_from_iterator([part for text in lines for part in text.split("\n\n")], trainer)
    raw.add_tokens(list(added or EVERY))
    return PreTrainedTokenizerFast(tokenizer_object=raw)
