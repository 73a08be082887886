"""Formats in which a call is a JSON object between two marks: a table. `json_read` says what the object may be."""

from dataclasses import dataclass
from typing import Final

from anyclaude.convert.text_calls.attempt import Attempt, Format
from anyclaude.convert.text_calls.json_read import calls
from anyclaude.convert.text_calls.tape import Reading


@dataclass(frozen=True, slots=True)
class _Row:
    opener: str
    closers: tuple[str, ...]
    family: str
    source: str
    anywhere: bool = True

    def read(self, attempt: Attempt) -> Reading[None]:
        """The closing mark may be missing: servers cut it off as a stop string."""
        yield from attempt.tape.blank()
        yield from calls(attempt, self.family)
        yield from attempt.tape.blank()
        yield from attempt.tape.maybe(*self.closers)


_ROWS: Final = (
    _Row(
        "[TOOL_REQUEST]",
        ("[END_TOOL_REQUEST]",),
        "lmstudio",
        "https://lmstudio.ai/docs/developer/openai-compat/tools",
        anywhere=False,
    ),
    _Row(
        "<|tool_call|>",
        ("<|/tool_call|>",),
        "phi-granite",
        "https://huggingface.co/microsoft/Phi-4-mini-instruct; https://www.ibm.com/granite/docs/models/granite",
    ),
    _Row(
        "<function_call>",
        ("</function_call>",),
        "granite-fc",
        "https://docs.vllm.ai/en/v0.31.0/features/tool_calling/",
        anywhere=False,
    ),
    _Row(
        "<|START_ACTION|>",
        ("<|END_ACTION|>",),
        "cohere",
        "https://huggingface.co/CohereForAI/c4ai-command-r7b-12-2024; https://docs.vllm.ai/en/v0.31.0/api/vllm/parser/",
    ),
    _Row(
        "<TOOLCALL>",
        ("</TOOLCALL>",),
        "nemotron",
        "https://huggingface.co/nvidia/Llama-3_3-Nemotron-Super-49B-v1_5",
        anywhere=False,
    ),
    _Row(
        "<tool_calls>",
        ("</tool_calls>",),
        "minimax-m1",
        "https://github.com/MiniMax-AI/MiniMax-M1/blob/main/docs/function_call_guide.md",
        anywhere=False,
    ),
)

FORMATS: Final = tuple(Format(row.opener, row.read, row.source, row.anywhere) for row in _ROWS)
