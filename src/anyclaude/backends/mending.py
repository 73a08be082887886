"""What models get wrong in their answers, put right on the way to the client, and told to the journal."""

import secrets
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from anyclaude.backends.base import Caller
from anyclaude.convert.answer_reader import Stage
from anyclaude.convert.endless import EndlessAnswer
from anyclaude.convert.mended_args import MendedArguments
from anyclaude.convert.mended_calls import MendedCalls, Repair, schemas_of
from anyclaude.convert.profile import Profile
from anyclaude.convert.repetition import CirclingText
from anyclaude.convert.text_call_events import TextCallEvents, declared_tools
from anyclaude.convert.text_calls import Call, TextCalls, fits
from anyclaude.convert.tool_calls import ToolIds
from anyclaude.wire.json import decode_lenient, encode


def stages_of(request: Mapping[str, Any], caller: Caller, profile: Profile, ids: ToolIds) -> list[Stage]:
    """The stages of one answer, in the order in which its events go through them."""

    def tell(repair: Repair) -> None:
        caller.journal.note("repair", tool=repair.tool, what=repair.what)

    def found(call: Call) -> None:
        caller.journal.note("repair", tool=call.name, what="a call that was written as text", family=call.family)

    def endless() -> None:
        caller.journal.note("repair", text="an answer far beyond max_tokens was ended")

    stages: list[Stage] = []
    if "max_tokens" in request:
        stages.append(EndlessAnswer(request["max_tokens"], endless))
    if profile.text_calls:
        tools = declared_tools(request) if profile.tools else {}
        fitting = partial(_can_be_mended, tools) if profile.repairs else None
        stages.append(TextCallEvents(TextCalls(tools, opened=profile.thinking_opened, fitting=fitting), ids, found))
    if profile.repairs:
        stages += [MendedCalls(schemas_of(request), tell), CirclingText()]
    return stages


def _can_be_mended(tools: Mapping[str, Any], name: str, arguments: dict[str, Any]) -> bool:
    """Whether a later stage will make arguments fit that were written as text, as it does for any other call."""
    mended = MendedArguments(tools[name])
    text = mended.feed(encode(arguments).decode()) + mended.end(whole=True)
    return fits(decode_lenient(text), tools[name])


def call_ids(request: Mapping[str, Any]) -> ToolIds:
    """Ids for the calls of its answer: none of them is in the conversation."""
    return ToolIds(_known_ids(request), lambda: f"toolu_{secrets.token_hex(12)}")


def _known_ids(request: Mapping[str, Any]) -> Iterator[str]:
    for message in request["messages"]:
        if message["role"] == "assistant" and isinstance(message["content"], list):
            for block in message["content"]:
                if isinstance(block, Mapping) and isinstance(block.get("id"), str):
                    yield block["id"]
