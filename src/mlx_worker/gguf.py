"""Turns a GGUF file of a llama model into a folder that mlx-lm loads, without MLX.

The official `gguf` package reads and dequantizes; the weights are written dense, in the type that suits the machine.
GGUF keeps the rows of the query and key weights in the order of interleaved rotary embeddings. mlx-lm knows that order
as `rope_traditional`, so no row is moved. What this converter does not know it refuses: a model that loads and
talks nonsense is worse than none.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from gguf import GGUFReader, TokenType, dequantize
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from mlx_worker.errors import ModelLoadError

Weights = dict[str, npt.NDArray[Any]]
WEIGHTS_FILE = "model.safetensors"

# The file's names, as llama.cpp gives them, and the module names of mlx-lm's llama.
MODULES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
SPECIAL_TOKENS = {
    "bos_token": "bos_token_id",
    "eos_token": "eos_token_id",
    "unk_token": "unknown_token_id",
    "pad_token": "padding_token_id",
}


class GgufError(ModelLoadError):
    """The file is no GGUF, is cut short, or holds what this converter does not know."""


def convert(source: Path, folder: Path, dtype: npt.DTypeLike, sampling: Mapping[str, float] | None = None) -> None:
    """Write `source` into the existing, empty `folder`, dense, in `dtype`.

    sampling: what the model's makers recommend (`temperature`, ...); a GGUF does not tell.

    Raises GgufError, and OSError where the folder cannot be written.
    """
    reader = _opened(source)
    fields = {name: field.contents() for name, field in reader.fields.items()}
    try:
        config = _config(fields, dtype, tied=not any(t.name == "output.weight" for t in reader.tensors))
        weights = dict(_weights(reader, dtype))
        tokenizer = _tokenizer(fields)
    except KeyError as error:
        raise GgufError(f"{source.name} has no {error.args[0]}, which a llama model needs") from error
    save_file(weights, folder / WEIGHTS_FILE, metadata={"format": "mlx"})
    _write(folder / "model.safetensors.index.json", _index(weights))
    _write(folder / "config.json", config)
    _write(folder / "generation_config.json", {"eos_token_id": [config["eos_token_id"]], **(sampling or {})})
    tokenizer.save(str(folder / "tokenizer.json"))
    _write(folder / "tokenizer_config.json", _tokenizer_config(fields))


def _opened(source: Path) -> GGUFReader:
    try:
        return GGUFReader(source)
    except (ValueError, IndexError, KeyError) as error:  # what its reads beyond the end of a cut file raise
        raise GgufError(f"{source.name} is not a whole GGUF file: fetch it again") from error


def _config(fields: Mapping[str, Any], dtype: npt.DTypeLike, *, tied: bool) -> dict[str, Any]:
    architecture = fields["general.architecture"]
    if architecture != "llama" or "llama.expert_count" in fields or "llama.rope.scaling.type" in fields:
        raise GgufError(f"only plain llama models can be converted from GGUF, not this {architecture} model")
    heads = fields["llama.attention.head_count"]
    width = fields["llama.embedding_length"]
    return {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "torch_dtype": np.dtype(dtype).name,
        "hidden_size": width,
        "num_hidden_layers": fields["llama.block_count"],
        "intermediate_size": fields["llama.feed_forward_length"],
        "num_attention_heads": heads,
        "num_key_value_heads": fields.get("llama.attention.head_count_kv", heads),
        "head_dim": fields.get("llama.attention.key_length", width // heads),
        "rms_norm_eps": fields["llama.attention.layer_norm_rms_epsilon"],
        "max_position_embeddings": fields["llama.context_length"],
        "rope_theta": fields.get("llama.rope.freq_base", 10_000.0),
        "rope_traditional": True,
        "vocab_size": len(fields["tokenizer.ggml.tokens"]),
        "tie_word_embeddings": tied,
        "bos_token_id": fields["tokenizer.ggml.bos_token_id"],
        "eos_token_id": fields["tokenizer.ggml.eos_token_id"],
    }


def _weights(reader: GGUFReader, dtype: npt.DTypeLike) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    for tensor in reader.tensors:
        dense = dequantize(tensor.data, tensor.tensor_type)
        yield module_name(tensor.name), np.ascontiguousarray(dense, dtype=dtype)


def module_name(tensor: str) -> str:
    """`blk.3.attn_q.weight` is mlx-lm's `model.layers.3.self_attn.q_proj.weight`. Raises GgufError."""
    *block, stem, kind = tensor.split(".")
    if stem not in MODULES or (block and block[0] != "blk"):
        raise GgufError(f"the tensor {tensor} belongs to no plain llama model")
    layer = f"model.layers.{block[1]}." if block else ""
    return f"{layer}{MODULES[stem]}.{kind}"


def _index(weights: Weights) -> dict[str, Any]:
    """mlx-lm's pipeline loader wants an index even for one file."""
    return {
        "metadata": {"total_size": sum(w.nbytes for w in weights.values())},
        "weight_map": dict.fromkeys(sorted(weights), WEIGHTS_FILE),
    }


def _tokenizer(fields: Mapping[str, Any]) -> Tokenizer:
    kind = (fields["tokenizer.ggml.model"], fields.get("tokenizer.ggml.pre"))
    if kind != ("gpt2", "smollm"):
        raise GgufError(f"only SmolLM's tokenizer can be converted from GGUF, not {kind[0]}/{kind[1]}")
    tokens: list[str] = fields["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    kinds = zip(tokens, fields["tokenizer.ggml.token_type"], strict=True)
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for token, kind in kinds if kind == TokenType.CONTROL]
    )
    return tokenizer


def _tokenizer_config(fields: Mapping[str, Any]) -> dict[str, Any]:
    tokens = fields["tokenizer.ggml.tokens"]
    special = {
        name: tokens[fields[f"tokenizer.ggml.{key}"]]
        for name, key in SPECIAL_TOKENS.items()
        if f"tokenizer.ggml.{key}" in fields
    }
    template = fields.get("tokenizer.chat_template")
    return special | {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": fields["llama.context_length"],
        "clean_up_tokenization_spaces": False,
        **({"chat_template": template} if template else {}),
    }


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False), encoding="utf-8")
