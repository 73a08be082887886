"""The chat template that a tokenizer brings, as `prompts.ChatTemplate`."""

import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from anyclaude.wire.json import mend
from mlx_worker.generation import Conversation
from mlx_worker.tokenising import RememberedTokens, cuts_of

PROBE_TURNS = [
    {"role": "user", "content": "hi"},
    {"role": "assistant", "content": "hello"},
    {"role": "user", "content": "hi"},
]
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
        self._tokens = RememberedTokens(self._encode, cuts_of(tokenizer, self._shown(), self._encode))

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

    def encode(self, text: str) -> Sequence[int]:
        return self._tokens.encode(text)

    def forget(self) -> None:
        self._tokens.forget()

    def _encode(self, text: str) -> Sequence[int]:
        with self._turn:
            tokens: list[int] = self._tokenizer.encode(text, add_special_tokens=False)
        return tokens

    def shows_tools(self) -> bool:
        return "probe_of_tools" in self._probed(Conversation(PROBE_TURNS[:1], [PROBE_TOOL]))

    def _shown(self) -> str:
        """What may stand around messages: the template's own text, and a conversation where it has none to read."""
        return f"{self._tokenizer.chat_template}{self._probed(Conversation(PROBE_TURNS))}"

    def _probed(self, conversation: Conversation) -> str:
        try:
            return self.render(conversation, generation=True)
        except Exception:  # a template is a program of the model's folder: one that fails takes no such conversation
            return ""
