"""From messages to tokens, and where in them a later request will start the same way.

Two places are worth a snapshot of the model's state (for models whose state cannot be cut back, they are the only ones
that a later request can start from):

- the end of system prompt and tools, shared by every session that sends them;
- the end of the conversation before the generation tail (`<|im_start|>assistant\\n<think>`), which the next turn
  repeats without the tail.

Both are found by rendering the conversation again, shorter, and comparing: that asks nothing of the template, and costs
little beside the tokens of a long text, which `tokenising` remembers.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from anyclaude.wire.prefix import shared_prefix
from mlx_worker.errors import BadRequest
from mlx_worker.generation import Conversation, Prompt

ANY_QUESTION = "\0"
"""Stands for what is asked first. Nobody's question begins like it, so what is shared with it is shared with all."""
FOLLOWERS = (" ", "\n", "\n\n", "a")
TAIL = 64  # characters


class ChatTemplate(Protocol):
    """A model's chat template and tokenizer. Safe to call from any thread."""

    think_start: str
    think_end: str

    def render(self, conversation: Conversation, *, generation: bool) -> str:
        """`generation` appends the tail that opens the answer. May raise anything."""
        ...

    def encode(self, text: str) -> Sequence[int]:
        """Quick where the text, or one that begins like it, was encoded before."""
        ...

    def forget(self) -> None:
        """Keep nothing of what was encoded."""
        ...


def build_prompt(chat: ChatTemplate, conversation: Conversation) -> Prompt:
    """Raises BadRequest when the template refuses the conversation or renders nothing."""
    try:
        text = chat.render(conversation, generation=True)
    except Exception as error:  # a template is a program of the model's folder: it may raise anything
        raise BadRequest(f"the model's chat template refused the conversation: {error}") from error
    tokens = chat.encode(text)
    if not tokens:
        raise BadRequest("the conversation renders to an empty prompt")
    stable = _shared_text(chat, text, conversation)
    return Prompt(
        tokens=tuple(tokens),
        system_end=_system_end(chat, text, tokens, conversation),
        stable_end=_boundary(chat, tokens, stable),
        section=_first_section(chat, text[len(stable) :]),
    )


def _system_end(chat: ChatTemplate, text: str, tokens: Sequence[int], conversation: Conversation) -> int:
    """The same for all that begin alike, whatever is asked then."""
    opening = _opening(conversation)
    shared = _shared_text(chat, text, opening) if opening else ""
    alone = chat.encode(shared)
    return min(shared_prefix(tokens, alone), max(len(alone) - _open_ended(chat, shared[-TAIL:]), 0))


def _open_ended(chat: ChatTemplate, text: str) -> int:
    """How many of its last tokens may become others, depending on what follows."""
    alone = chat.encode(text)
    return max(len(alone) - shared_prefix(alone, chat.encode(text + follower)) for follower in FOLLOWERS)


def _opening(conversation: Conversation) -> Conversation | None:
    """System prompt and tools alone. A question is there because many templates demand one."""
    roles = [message["role"] for message in conversation.messages]
    first = next((i for i, role in enumerate(roles) if role != "system"), len(roles))
    if not first and not conversation.tools:
        return None
    question = {"role": "user", "content": ANY_QUESTION}
    return replace(conversation, messages=[*conversation.messages[:first], question])


def _shared_text(chat: ChatTemplate, text: str, shorter: Conversation) -> str:
    """What a shorter rendering shares with `text`; nothing when the template does not take the shorter form."""
    try:
        other = chat.render(shorter, generation=False)
    except Exception:  # as above; without the boundary the request still works, it is only cached less well
        return ""
    return text[: shared_prefix(text, other)]


def _boundary(chat: ChatTemplate, tokens: Sequence[int], text: str) -> int:
    """Tokens of the prompt that lie wholly in `text`, its beginning, and do not depend on what follows."""
    return shared_prefix(tokens, chat.encode(text)) if text else 0


def _first_section(chat: ChatTemplate, tail: str) -> str:
    """The template's own tail may have opened the thinking, and may have closed it again."""
    if not chat.think_start:
        return "normal"
    return "reasoning" if tail.rfind(chat.think_start) > tail.rfind(chat.think_end) else "normal"
