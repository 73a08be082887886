"""The chat template that a tokenizer brings, as `prompts.ChatTemplate`."""

import threading
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from anyclaude.wire.json import mend
from mlx_worker.engine import Conversation

PROBE_TOOL = {
    "type": "function",
    "function": {
        "name": "probe_of_tools",
        "description": "Says whether tools are shown.",
        "parameters": {"type": "object", "properties": {}},
    },
}


class TokenizerTemplate:
    """The tokenizer's chat template.

    Tokenizers written in Rust encode on several threads at once, as long as nobody changes their settings, which
    transformers does only where a tokenizer comes with truncation or padding, at its first use; that is here. Those
    written in Python are asked one at a time.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._turn: AbstractContextManager[Any] = nullcontext() if tokenizer.is_fast else threading.Lock()
        tokenizer.encode("", add_special_tokens=False)
        self.think_start: str = tokenizer.think_start or ""
        self.think_end: str = tokenizer.think_end or ""

    def render(self, conversation: Conversation, *, generation: bool) -> str:
        with self._turn:
            text: str = self._tokenizer.apply_chat_template(
                list(conversation.messages),
                tools=list(conversation.tools) or None,
                add_generation_prompt=generation,
                tokenize=False,
                **conversation.switches,
            )
        return mend(text)  # a call's arguments may hold half of a surrogate pair, which no tokenizer takes

    def encode(self, text: str) -> list[int]:
        with self._turn:
            return list(self._tokenizer.encode(text, add_special_tokens=False))

    def shows_tools(self) -> bool:
        question = Conversation([{"role": "user", "content": "hi"}], [PROBE_TOOL])
        try:
            return "probe_of_tools" in self.render(question, generation=True)
        except Exception:  # a template is a program of the model's folder: one that fails on tools takes none
            return False
