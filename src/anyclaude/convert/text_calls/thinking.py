"""How models mark their thinking at the beginning of an answer, where the server leaves it in the text: a table."""

from collections.abc import Mapping
from typing import Final

from anyclaude.convert.text_calls.marks import Marks

TAGS: Final[Mapping[str, str]] = {
    "<think>": "</think>",  # DeepSeek R1, Qwen3, GLM, Kimi: https://docs.vllm.ai/en/latest/features/reasoning_outputs/
    "<thinking>": "</thinking>",
    "<thought>": "</thought>",
    "[THINK]": "[/THINK]",  # Magistral: https://docs.mistral.ai/capabilities/reasoning/
    "<seed:think>": "</seed:think>",  # Seed-OSS: https://docs.vllm.ai/en/stable/api/vllm/parser/seed_oss/
    "<|START_THINKING|>": "<|END_THINKING|>",  # Cohere: https://docs.vllm.ai/en/v0.31.0/api/vllm/parser/
    "◁think▷": "◁/think▷",  # Kimi-VL: https://huggingface.co/moonshotai/Kimi-VL-A3B-Thinking
}
OPENERS: Final = Marks(TAGS)
CLOSER: Final[Mapping[str, Marks]] = {opener: Marks([closer]) for opener, closer in TAGS.items()}
ANY_CLOSER: Final = Marks(TAGS.values())
"""Where the chat template has written the opening tag, so that nobody knows which it was."""
