"""A model that knows answers by heart, as the files that MLX and llama.cpp read."""

import json
from pathlib import Path
from typing import Any

import gguf
from safetensors.numpy import save_file
from transformers import PreTrainedTokenizerFast

from tests.support.by_heart import CONTEXT, CONTROL, END, ByHeart

_NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
"""MLX's names (as in Qwen's own files) and GGUF's."""


def write_mlx(model: ByHeart, folder: Path, window: int = CONTEXT) -> Path:
    """window: in tokens; llama.cpp is told its own when it starts."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(model.config | {"max_position_embeddings": window}))
    save_file(dict(model.weights), folder / "model.safetensors", {"format": "mlx"})
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=model.tokenizer,
        eos_token=END,
        pad_token=CONTROL[0],
        chat_template=model.template,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.save_pretrained(folder)
    settings = folder / "tokenizer_config.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"tool_parser_type": "qwen3_coder"}))
    return folder


def write_llamacpp(model: ByHeart, path: Path) -> Path:
    writer: Any = gguf.GGUFWriter(path, "qwen3")
    _write_shape(writer, model.config)
    _write_tokenizer(writer, model)
    for name, value in model.weights.items():
        writer.add_tensor(_gguf_name(name), value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _gguf_name(name: str) -> str:
    part, _, layer = name.removesuffix(".weight").rpartition(".layers.0.")
    return f"{'blk.0.' if part else ''}{_NAMES[layer]}.weight"


def _write_shape(writer: Any, config: dict[str, Any]) -> None:
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(config["head_dim"])
    writer.add_value_length(config["head_dim"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_theta"])


def _write_tokenizer(writer: Any, model: ByHeart) -> None:
    added = {token.content for token in model.tokenizer.get_added_tokens_decoder().values()}
    merges = json.loads(model.tokenizer.to_str())["model"]["merges"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(model.tokens)
    writer.add_token_types([_kind(token, added) for token in model.tokens])
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in merges])
    writer.add_eos_token_id(CONTROL.index(END))
    writer.add_pad_token_id(0)
    writer.add_add_bos_token(False)
    writer.add_chat_template(model.template)


def _kind(token: str, added: set[str]) -> gguf.TokenType:
    if token in CONTROL:
        return gguf.TokenType.CONTROL
    return gguf.TokenType.USER_DEFINED if token in added else gguf.TokenType.NORMAL
