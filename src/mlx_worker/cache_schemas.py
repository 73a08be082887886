"""The requests of our own endpoints: warming the cache and counting tokens."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import AliasChoices, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from mlx_worker.intake import LONGEST_TEXT
from mlx_worker.schemas import Conversing, Message, Tool
from mlx_worker.shapes import Lenient


def one_of(text: str) -> JsonDict:
    """That either the text or messages are there, in JSON schema's words."""
    kinds: dict[str, JsonDict] = {text: {"type": "string"}, "messages": {"type": "array"}}
    return {"oneOf": [{"required": [name], "properties": {name: kind}} for name, kind in kinds.items()]}


class WarmRequest(Lenient):
    """POST /cache/warm. `system` is also read as `systemPrompt` and `system_prompt`, the ancestor's names."""

    model_config = ConfigDict(json_schema_extra=one_of("system"))

    system: Annotated[
        str | None, Field(min_length=1, validation_alias=AliasChoices("system", "systemPrompt", "system_prompt"))
    ] = None
    messages: Annotated[list[Message], Field(min_length=1)] | None = None
    tools: list[Tool] | None = None
    chat_template_kwargs: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.system is None) == (self.messages is None):
            raise ValueError("send either system or messages")
        return self

    def conversing(self) -> Conversing:
        """Many templates do not take a system prompt alone. The question is no part of what is warmed; it is not empty,
        because where the system prompt ends is found by comparing with an empty one (`prompts`)."""
        alone = [Message(role="system", content=self.system), Message(role="user", content="hi")]
        return Conversing(
            messages=self.messages or alone, tools=self.tools, chat_template_kwargs=self.chat_template_kwargs
        )


class TokenizeRequest(Lenient):
    """POST /tokenize: the tokens of a text, or of a conversation as it would be computed."""

    model_config = ConfigDict(json_schema_extra=one_of("text"))

    text: Annotated[str, Field(max_length=LONGEST_TEXT)] | None = None
    messages: Annotated[list[Message], Field(min_length=1)] | None = None
    tools: list[Tool] | None = None
    chat_template_kwargs: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.text is None) == (self.messages is None):
            raise ValueError("send either text or messages")
        return self

    def conversing(self) -> Conversing:
        return Conversing(
            messages=self.messages or [], tools=self.tools, chat_template_kwargs=self.chat_template_kwargs
        )


def as_chat(payload: Mapping[str, Any]) -> dict[str, Any]:
    """A warming request in the shape whose prefix has a name (`anyclaude.wire.prefix`)."""
    system = next((payload[name] for name in ("system", "systemPrompt", "system_prompt") if name in payload), None)
    alone = [{"role": "system", "content": system}]
    return {"messages": payload.get("messages") or alone, "tools": payload.get("tools")}
