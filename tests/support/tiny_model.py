"""Tiny models in mlx-lm's folder format, made on the spot: a real tokenizer, chat template and tool parser around a few
hundred thousand random weights. Built in a tenth of a second; trained, in some twenty seconds, they say known things.

`qwen3` and `qwen2` are plain attention, `qwen3_moe` with experts; `qwen3_next` mixes recurrent layers in (its state
cannot be cut back), `gemma3_text` has a sliding window.
"""

import argparse
import importlib
import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, cast

import mlx.core as mx
from mlx_lm.utils import save_config, save_model
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from tests.support.tiny_lessons import Lesson, lesson, teach

TRAINED = Path(__file__).resolve().parents[1] / "fixtures" / "trained_model.safetensors"
VOCABULARY = 1024
CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
MISTRAL_MARKERS = ("[TOOL_CALLS]", "[ARGS]")
MARKERS = ("<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")

TEMPLATE = """\
{%- set first = messages[0] if messages and messages[0].role == 'system' else none -%}
{%- if tools or first -%}
<|im_start|>system
{% if first %}{{ first.content }}{% endif %}
{%- if tools %}

You may call these functions:
{% for tool in tools %}{{ tool | tojson }}
{% endfor %}Answer a call as <tool_call>{"name": ..., "arguments": ...}</tool_call>.{% endif %}<|im_end|>
{% endif -%}
{%- for message in messages -%}
{%- if message.role == 'system' and loop.first -%}
{%- elif message.role == 'tool' -%}
<|im_start|>user
<tool_response>{{ message.content }}</tool_response><|im_end|>
{% elif message.role == 'assistant' -%}
<|im_start|>assistant
{{ message.content }}
{%- for tool_call in message.tool_calls or [] -%}
{%- set tool_call = tool_call.function -%}
<tool_call>{"name": "{{ tool_call.name }}", "arguments": {{ tool_call.arguments | tojson }}}</tool_call>
{%- endfor %}<|im_end|>
{% else -%}
<|im_start|>{{ message.role }}
{{ message.content }}<|im_end|>
{% endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{ '<|im_start|>assistant\\n' }}TAIL
{%- endif -%}"""

WEATHER_TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
WEATHER_CALL = {"function": {"name": "get_weather", "arguments": {"city": "Paris"}}}
ANSWERS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("hi", {"content": "Hello! How can I help you today?"}),
    ("weather in Paris", {"content": "", "tool_calls": [WEATHER_CALL]}),
    ("think", {"content": "<think>\nLet me see.\n</think>\n\nDone thinking."}),
)


@dataclass(frozen=True, slots=True)
class TinyModel:
    folder: Path
    arch: str


def build(
    folder: Path,
    arch: str = "qwen3",
    *,
    open_thinking: bool = False,
    context: int = 32_768,
    calls: str = "json_tools",
    head_dim: int = 16,
) -> TinyModel:
    """Random weights from a fixed seed: the same folder every time. `open_thinking`: the tail opens `<think>`.

    calls: the name of mlx-lm's parser of its calls. head_dim: states can be quantised from 32 on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer(open_thinking, MISTRAL_MARKERS if calls == "mistral" else ())
    tokenizer.save_pretrained(folder)
    _add(folder / "tokenizer_config.json", tool_parser_type=calls)
    mx.random.seed(7)
    model, config = _model(arch, len(tokenizer), tokenizer.eos_token_id, context, head_dim=head_dim)
    _save(folder, model, config)
    return TinyModel(folder, arch)


def build_trained(folder: Path) -> TinyModel:
    """A model that answers each question of ANSWERS with its answer, with WEATHER_TOOL and without tools. Its state can
    be quantised. What was trained before is taken where the lessons are the same, token for token:
    `python -m tests.support.tiny_model` writes it anew."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer(open_thinking=False)
    tokenizer.save_pretrained(folder)
    lessons = _lessons(tokenizer)
    weights, told = cast("tuple[dict[str, Any], dict[str, str]]", mx.load(str(TRAINED), return_metadata=True))
    if told["lessons"] != _digest(lessons):
        return _taught(folder, tokenizer, lessons)
    model, config = _student(tokenizer)
    model.load_weights(list(weights.items()))
    _save(folder, model, config)
    return TinyModel(folder, "qwen3")


def build_taught(
    folder: Path, template: str, calls: str, conversation: Sequence[dict[str, Any]], tools: Sequence[dict[str, Any]]
) -> TinyModel:
    """A model that says in this conversation what the assistant says there. calls: as in `build`."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer(open_thinking=False)
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    _add(folder / "tokenizer_config.json", tool_parser_type=calls)
    return _taught(folder, tokenizer, [lesson(tokenizer, conversation, tools)], enough=0.002)


def _taught(folder: Path, tokenizer: Any, lessons: Sequence[Lesson], enough: float = 0.02) -> TinyModel:
    model, config = _student(tokenizer)
    teach(model, lessons, enough)
    _save(folder, model, config)
    return TinyModel(folder, "qwen3")


def _student(tokenizer: Any) -> tuple[Any, dict[str, Any]]:
    """Who has learned nothing yet."""
    mx.random.seed(7)
    return _model("qwen3", len(tokenizer), tokenizer.eos_token_id, 32_768, layers=2, head_dim=32)


def _digest(lessons: Sequence[Lesson]) -> str:
    return blake2b(repr(lessons).encode(), digest_size=16).hexdigest()


def train(file: Path) -> None:
    """Write the weights that `build_trained` takes."""
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = _tokenizer(open_thinking=False)
        lessons = _lessons(tokenizer)
        _taught(Path(folder), tokenizer, lessons)
        weights: Any = mx.load(str(Path(folder) / "model.safetensors"))
    file.parent.mkdir(parents=True, exist_ok=True)
    mx.save_safetensors(str(file), weights, {"format": "mlx", "lessons": _digest(lessons)})


def build_shallow(whole: Path, folder: Path, layers: int) -> TinyModel:
    """A model that is the first layers of another: it is often right about what the other one says next."""
    shutil.copytree(whole, folder)
    config = json.loads((folder / "config.json").read_text()) | {"num_hidden_layers": layers}
    (folder / "config.json").write_text(json.dumps(config))
    weights: Any = mx.load(str(folder / "model.safetensors"))
    kept = {name: part for name, part in weights.items() if _layer_of(name) < layers}
    mx.save_safetensors(str(folder / "model.safetensors"), kept, {"format": "mlx"})
    (folder / "model.safetensors.index.json").unlink()
    return TinyModel(folder, config["model_type"])


def _layer_of(name: str) -> int:
    """0 for what is outside of all layers."""
    parts = name.split(".")
    return int(parts[parts.index("layers") + 1]) if "layers" in parts else 0


def _add(file: Path, **fields: str) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))


def _tokenizer(open_thinking: bool, more_markers: Sequence[str] = ()) -> Any:
    markers = (*MARKERS, *more_markers)
    text = [Path(module.__file__ or "").read_text() for module in (json, argparse)]
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    raw.train_from_iterator(
        text,
        trainers.BpeTrainer(
            vocab_size=VOCABULARY - len(markers),
            special_tokens=list(CONTROL),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    raw.add_tokens([AddedToken(marker, normalized=False, special=False) for marker in markers])
    template = TEMPLATE.replace("TAIL", "{{ '<think>\\n' }}" if open_thinking else "")
    return PreTrainedTokenizerFast(
        tokenizer_object=raw,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        chat_template=template,
        clean_up_tokenization_spaces=False,
    )


def _model(
    arch: str, vocabulary: int, eos: int, context: int, *, layers: int = 4, head_dim: int = 16
) -> tuple[Any, dict[str, Any]]:
    config: dict[str, Any] = {
        "model_type": arch,
        "hidden_size": 64,
        "num_hidden_layers": layers,
        "intermediate_size": 128,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": head_dim,
        "rms_norm_eps": 1e-6,
        "vocab_size": vocabulary,
        "rope_theta": 10_000.0,
        "max_position_embeddings": context,
        "tie_word_embeddings": True,
        "eos_token_id": eos,
        **SPECIALS.get(arch, {}),
    }
    module = importlib.import_module(f"mlx_lm.models.{arch}")
    model = module.Model(module.ModelArgs.from_dict(config))
    mx.eval(model.parameters())
    return model, config


EXPERTS: dict[str, Any] = {
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 64,
    "decoder_sparse_step": 1,
    "mlp_only_layers": [],
    "norm_topk_prob": True,
}
SPECIALS: dict[str, dict[str, Any]] = {
    "qwen3_moe": EXPERTS,
    "qwen3_next": {
        **EXPERTS,
        "shared_expert_intermediate_size": 64,
        "linear_num_value_heads": 4,
        "linear_num_key_heads": 2,
        "linear_key_head_dim": 16,
        "linear_value_head_dim": 16,
        "linear_conv_kernel_dim": 4,
        "partial_rotary_factor": 0.5,
        "full_attention_interval": 4,
    },
    "gemma3_text": {"sliding_window": 64, "sliding_window_pattern": 2, "query_pre_attn_scalar": 16},
}


def _save(folder: Path, model: Any, config: dict[str, Any]) -> None:
    save_model(folder, model)
    save_config(config, folder / "config.json")


def _lessons(tokenizer: Any) -> list[Lesson]:
    lessons = []
    for tools in (None, [WEATHER_TOOL]):
        for question, answer in ANSWERS:
            asked = {"role": "user", "content": question}
            lessons.append(lesson(tokenizer, [asked, {"role": "assistant", **answer}], tools))
    return lessons


if __name__ == "__main__":
    train(TRAINED)
