"""The requests that clients send, in OpenAI's field names.

Unknown fields are tolerated: clients send new ones every month. What is refused here is what the engine could not
honour without doing harm: numbers out of range, shapes that no chat template can render, more than one choice.
"""

import json
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from mlx_worker.errors import BadRequest

TEMPLATE_SWITCHES = frozenset(
    {"enable_thinking", "thinking", "thinking_budget", "reasoning_effort", "preserve_thinking", "clear_thinking"}
)


class Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Part(Lenient):
    type: str
    text: str | None = None


def _text_of(content: Any) -> Any:
    """One string for one message, so that a list of one part and a plain string render to the same prompt."""
    if not isinstance(content, list):
        return content
    parts = [Part.model_validate(part) for part in content]
    if odd := next((part.type for part in parts if part.text is None), None):
        raise ValueError(f"content parts of type {odd!r} are not supported by this model, send text")
    return "\n".join(part.text or "" for part in parts)


class FunctionCall(Lenient):
    name: str
    arguments: str | dict[str, Any] = ""

    def for_template(self) -> dict[str, Any]:
        """Templates write the arguments as JSON themselves, so they want the object and not its text."""
        return {"name": self.name, "arguments": _parsed(self.arguments)}


def _parsed(arguments: str | dict[str, Any]) -> Any:
    if isinstance(arguments, dict):
        return arguments
    try:
        parsed = json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        return arguments
    return parsed if isinstance(parsed, dict) else arguments


class ToolCall(Lenient):
    id: str | None = None
    type: Literal["function"] = "function"
    function: FunctionCall

    def for_template(self) -> dict[str, Any]:
        return {"id": self.id, "type": self.type, "function": self.function.for_template()}


class Message(Lenient):
    role: str
    content: Annotated[str | None, BeforeValidator(_text_of)] = None
    reasoning_content: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    name: str | None = None

    def for_template(self) -> dict[str, Any]:
        """Only what is there: templates ask `if message.tool_calls`, and `developer` is a role that few know."""
        shape: dict[str, Any] = {
            "role": "system" if self.role == "developer" else self.role,
            "content": self.content or "",
        }
        if self.tool_calls:
            shape["tool_calls"] = [call.for_template() for call in self.tool_calls]
        optional = {
            "reasoning_content": self.reasoning_content,
            "tool_call_id": self.tool_call_id,
            "name": self.name,
        }
        return shape | {key: value for key, value in optional.items() if value is not None}


class Tool(BaseModel):
    """Kept whole, in the order given: the template prints it, and the prompt must not change from turn to turn."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: Literal["function"] = "function"
    function: dict[str, Any]


Penalty = Annotated[float, Field(ge=-2, le=2, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class ChatRequest(Lenient):
    model: str | None = None
    messages: Annotated[list[Message], Field(min_length=1)]
    tools: list[Tool] | None = None
    tool_choice: str | dict[str, Any] | None = None
    stream: bool = False
    stop: str | list[str] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    n: Literal[1] | None = None
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    top_p: Share | None = None
    top_k: Annotated[int, Field(ge=-1)] | None = None
    min_p: Share | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**64)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    repetition_penalty: Annotated[float, Field(gt=0, le=10, allow_inf_nan=False)] | None = None
    chat_template_kwargs: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _stops_are_few(self) -> Self:
        if len(self.stops()) > 64:
            raise ValueError("stop takes at most 64 strings")
        return self

    def stops(self) -> tuple[str, ...]:
        given = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return tuple(stop for stop in given if stop)

    def limit(self) -> int | None:
        """The most tokens to generate, None when the client does not say."""
        return self.max_completion_tokens or self.max_tokens

    def offered_tools(self) -> list[dict[str, Any]] | None:
        """The tools as sent. With `tool_choice: none` the model does not get to see them."""
        if not self.tools or self.tool_choice == "none":
            return None
        return [tool.model_dump(exclude_unset=True) | {"type": tool.type} for tool in self.tools]

    def switches(self) -> dict[str, Any]:
        """What the client may tell the chat template: known switches alone, never a template of its own."""
        given = self.chat_template_kwargs or {}
        return {
            key: value
            for key, value in given.items()
            if key in TEMPLATE_SWITCHES and isinstance(value, bool | int | str)
        }


def parse_chat(payload: Any) -> ChatRequest:
    """Raises BadRequest with the place and the reason of the first fault."""
    try:
        return ChatRequest.model_validate(payload)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(step) for step in first["loc"]) or "the body"
        raise BadRequest(f"{place}: {first['msg'].removeprefix('Value error, ')}") from None
