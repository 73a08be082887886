"""The requests that clients send, in OpenAI's field names.

Unknown fields are tolerated: clients send new ones every month (`user`, `metadata`, `store` and the like mean nothing
here). What is refused is what the engine could not honour without doing harm: numbers out of range, shapes that no chat
template can render, more than one choice.
"""

import json
from typing import Annotated, Any, Literal, Self, cast

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic.config import JsonDict

from mlx_worker.generation import AnswerShape, Conversation
from mlx_worker.schema_check import check_schema
from mlx_worker.shapes import JsonSchemaFormat, Lenient, ResponseFormat, ToolChoice, chosen, shape_of

TEMPLATE_SWITCHES = frozenset(
    {"enable_thinking", "thinking", "thinking_budget", "reasoning_effort", "preserve_thinking", "clear_thinking"}
)


class TextPart(Lenient):
    """The parts that are taken. What others are called is said when they are refused."""

    type: str
    text: str


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
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Annotated[str | None, BeforeValidator(_text_of, json_schema_input_type=str | list[TextPart] | None)] = None
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


def _named(function: dict[str, Any]) -> dict[str, Any]:
    if not (isinstance(name := function.get("name"), str) and name):
        raise ValueError("a function needs a name")
    if not isinstance(function.get("parameters"), dict | None):
        raise ValueError("a function's parameters are a JSON schema")
    return function


FUNCTION = {
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "parameters": {"anyOf": [{"type": "object"}, {"type": "null"}]},
    },
}


class Tool(Lenient):
    """Kept whole, in the order given: the template prints it, and the prompt must not change from turn to turn."""

    model_config = ConfigDict(extra="allow")

    type: Literal["function"] = "function"
    function: Annotated[dict[str, Any], AfterValidator(_named), Field(json_schema_extra=cast(JsonDict, FUNCTION))]
    defer_loading: bool = False

    def for_template(self) -> dict[str, Any]:
        return self.model_dump(exclude_unset=True, exclude={"defer_loading"}) | {"type": self.type}


class StreamOptions(Lenient):
    """Usage comes in the last chunk whether it is asked for or not."""

    include_usage: bool | None = None


Penalty = Annotated[float, Field(ge=-2, le=2, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, lt=2**63)]
TokenId = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,9}$")]
Bias = Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False)]
Stop = Annotated[list[str], Field(max_length=64)]


class Conversing(Lenient):
    """What is rendered into a prompt: the part of a request that may be warmed and counted too."""

    model: str | None = None
    messages: Annotated[list[Message], Field(min_length=1)]
    tools: list[Tool] | None = None
    tool_choice: ToolChoice | None = None
    chat_template_kwargs: dict[str, Any] | None = None

    def offered_tools(self) -> list[dict[str, Any]]:
        """The tools that the model may call, as sent; none with `tool_choice: none`."""
        return [] if self.tool_choice == "none" else [tool.for_template() for tool in self.tools or ()]

    def shown_tools(self) -> list[dict[str, Any]]:
        """Those that its prompt shows: of deferred ones the messages tell."""
        shown = [tool for tool in self.tools or () if not tool.defer_loading]
        return [] if self.tool_choice == "none" else [tool.for_template() for tool in shown]

    def switches(self) -> dict[str, Any]:
        """What the client may tell the chat template: known switches alone, never a template of its own."""
        given = self.chat_template_kwargs or {}
        return {
            key: value
            for key, value in given.items()
            if key in TEMPLATE_SWITCHES and isinstance(value, bool | int | str)
        }

    def conversation(self) -> Conversation:
        messages = [message.for_template() for message in self.messages]
        return Conversation(messages, self.shown_tools(), self.switches())


class ChatRequest(Conversing):
    """POST /v1/chat/completions."""

    stream: bool | None = None
    stream_options: StreamOptions | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    stop: str | Stop | None = None
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    n: Literal[1] | None = None
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    top_p: Share | None = None
    top_k: Annotated[int, Field(ge=-1, lt=2**31)] | None = None
    min_p: Share | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**64)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    repetition_penalty: Annotated[float, Field(gt=0, le=10, allow_inf_nan=False)] | None = None
    logit_bias: Annotated[dict[TokenId, Bias], Field(max_length=1024)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.top_logprobs is not None and not self.logprobs:
            raise ValueError("top_logprobs needs logprobs to be true")
        names = {tool.function["name"] for tool in self.tools or ()}
        if self.tool_choice == "required" and not names:
            raise ValueError("tool_choice 'required' needs tools")
        if odd := next((name for name in chosen(self.tool_choice) if name not in names), None):
            raise ValueError(f"tool_choice names {odd!r}, which is not among the tools")
        return self

    def stops(self) -> tuple[str, ...]:
        given = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return tuple(stop for stop in given if stop)

    def limit(self) -> int | None:
        """The most tokens to generate, None when the client does not say."""
        return self.max_completion_tokens or self.max_tokens

    def shape(self) -> AnswerShape:
        return shape_of(self.tool_choice, self.parallel_tool_calls, self.response_format)

    def check_schema(self) -> None:
        """Raises BadRequest when `response_format` holds a schema that is none."""
        wanted = self.response_format
        if isinstance(wanted, JsonSchemaFormat):
            check_schema(wanted.json_schema.schema_, strict=bool(wanted.json_schema.strict))

    def alternatives(self) -> int | None:
        """How many alternatives to each token are to be told with its log probability, None: nothing of the kind."""
        return (self.top_logprobs or 0) if self.logprobs else None

    def bias(self) -> tuple[tuple[int, float], ...]:
        return tuple((int(token), value) for token, value in (self.logit_bias or {}).items())
