"""Messages -> chat messages, turn by turn.

Strict chat templates want one order and refuse any other: user first, then assistant and user in turn, and
the results of an assistant's calls right after it, in the order of the calls. Claude Code's order is freer
(results as they were finished, `system` among the messages, two user messages in a row), so messages are
taken in turns: what an assistant said without interruption, and all that came back before it spoke again.
What is missing is filled in, what belongs to nothing is said as text. A turn is rendered from itself and what
came before it, never from what follows: that keeps the prompt of one request a prefix of the next one's.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from anyclaude.convert.calls import Call, CallIds
from anyclaude.convert.content import (
    NO_CONTENT,
    Piece,
    chat_content,
    join_texts,
    piece_of,
    reminder,
    result_pieces,
    text_of,
    without_images,
)
from anyclaude.convert.profile import Profile
from anyclaude.convert.reasoning import Unsealing
from anyclaude.convert.tools import arguments_text

INTERRUPTED = "[no result: the call was interrupted]"
_ORPHAN = "[result of a tool call that is no longer in this conversation]"

ChatMessage = dict[str, Any]
Message = Mapping[str, Any]


def chat_messages(messages: Iterable[Message], profile: Profile, model: str = "") -> list[ChatMessage]:
    """The conversation in chat form, without the system prompt. model: the one that is asked.

    An assistant message at the very start gets a user message before it, since most templates refuse to begin
    otherwise; one at the end stays last, as the beginning of the answer, unless it is empty or calls a tool (no
    server goes on after a call, llama.cpp answers 400).
    """
    chat: list[ChatMessage] = []
    ids = CallIds(short=profile.short_call_ids)
    envelopes = Unsealing(model, profile.answers_as) if profile.reasoning_details else None
    calls: list[Call] = []
    for by_assistant, turn in groupby(messages, key=_by_assistant):
        if by_assistant:
            chat += [] if chat else [{"role": "user", "content": NO_CONTENT}]
            spoken = list(turn)
            said, calls = _assistant_message(spoken, ids, profile)
            chat.append(_with_details(said, spoken, envelopes) if envelopes else said)
        else:
            chat += _user_messages(turn, calls, profile)
    if "tool_calls" in chat[-1]:
        chat += _user_messages((), calls, profile)
    if chat[-1] == {"role": "assistant", "content": NO_CONTENT}:
        chat.pop()
    return chat


def _by_assistant(message: Message) -> bool:
    return bool(message["role"] == "assistant")


def _blocks(message: Message) -> Iterable[Mapping[str, Any]]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _assistant_message(turn: Iterable[Message], ids: CallIds, profile: Profile) -> tuple[ChatMessage, list[Call]]:
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[Call] = []
    for block in (block for message in turn for block in _blocks(message)):
        kind = block["type"]
        if kind == "tool_use":
            calls.append(ids.call(block["id"], block["name"], arguments_text(block.get("input"))))
        elif kind == "thinking":
            thoughts.append(str(block.get("thinking") or ""))
        elif kind != "redacted_thinking":
            texts.append(text_of([block]))
    if not profile.tools:
        texts += [f"[called {call.name} with {call.arguments}]" for call in calls]
    said: ChatMessage = {"role": "assistant", "content": join_texts(texts)}
    if profile.thinking_field and (thought := join_texts(thoughts)):
        said[profile.thinking_field] = thought
    if calls and profile.tools:
        said["tool_calls"] = [call.chat_form() for call in calls]
    if len(said) == 2:
        said["content"] = said["content"] or NO_CONTENT
    return said, calls


def _with_details(said: ChatMessage, turn: Iterable[Message], envelopes: Unsealing) -> ChatMessage:
    """With the thinking that the model wants back, where it led to something."""
    blocks = (block for message in turn for block in _blocks(message))
    details = envelopes.details(block.get("signature") for block in blocks if block["type"] == "thinking")
    if not details or said["content"] == NO_CONTENT:
        return said
    return {**said, "reasoning_details": details}


def _user_messages(turn: Iterable[Message], calls: list[Call], profile: Profile) -> Iterator[ChatMessage]:
    collected = _UserTurn(calls, profile)
    for message in turn:
        if message["role"] == "system":
            collected.add_reminder(text_of(message["content"]))
        else:
            collected.add_user(message)
    return collected.messages()


class _UserTurn:
    """All that came back between two assistant turns: results by call, and the rest in its order."""

    def __init__(self, calls: list[Call], profile: Profile) -> None:
        self._calls = calls
        self._waiting: dict[str, list[Call]] = {}
        for call in reversed(calls):
            self._waiting.setdefault(call.claimed_id, []).append(call)
        self._profile = profile
        self._results: dict[str, str] = {}
        self._images: list[Piece] = []
        self._rest: list[Piece] = []
        self._reminders: list[str] = []

    def add_user(self, message: Message) -> None:
        for block in _blocks(message):
            if block["type"] == "tool_result":
                self._add_result(block)
            elif piece := piece_of(block, self._profile):
                self._rest.append(piece)

    def add_reminder(self, text: str) -> None:
        """It stays behind what it follows: a result, or the user's words once there are some."""
        if not text:
            return
        if self._results and not self._rest and not self._images:
            self._reminders.append(reminder(text))
        else:
            self._rest.append(reminder(text))

    def _add_result(self, block: Mapping[str, Any]) -> None:
        pieces = result_pieces(block, self._profile)
        waiting = self._waiting.get(block["tool_use_id"])
        if not waiting:
            self._rest += [_ORPHAN, *pieces]
            return
        call = waiting.pop()
        if self._profile.tools:
            self._results[call.id], images = without_images(pieces, call.name)
            self._images += images
        else:
            self._rest += [f"[result of {call.name}]", *pieces]

    def messages(self) -> Iterator[ChatMessage]:
        answers_calls = bool(self._calls) and self._profile.tools
        if answers_calls:
            yield from self._tool_messages()
        said = self._images + self._rest
        if said or not answers_calls:
            yield {"role": "user", "content": chat_content(said)}

    def _tool_messages(self) -> Iterator[ChatMessage]:
        results = [self._results.get(call.id, INTERRUPTED) for call in self._calls]
        if self._reminders:
            results[-1] = "\n\n".join([results[-1], *self._reminders])
        for call, result in zip(self._calls, results, strict=True):
            yield {"role": "tool", "tool_call_id": call.id, "content": result}
