"""What a client may ask an answer to look like: `tool_choice`, `parallel_tool_calls` and `response_format`.

Source: https://platform.openai.com/docs/api-reference/chat/create
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from mlx_worker.generation import AnswerShape

Name = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class Lenient(BaseModel):
    """Unknown fields are tolerated, clients send new ones every month; wrong types are not."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class NamedFunction(Lenient):
    name: Name


class NamedTool(Lenient):
    """The one tool that must be called."""

    type: Literal["function"]
    function: NamedFunction


class AllowedTools(Lenient):
    """Some of the tools that are offered; all are shown to the model, so that its prompt stays the same."""

    mode: Literal["auto", "required"]
    tools: Annotated[list[NamedTool], Field(min_length=1, max_length=1024)]


class AllowedChoice(Lenient):
    type: Literal["allowed_tools"]
    allowed_tools: AllowedTools

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(tool.function.name for tool in self.allowed_tools.tools)


ToolChoice = Literal["none", "auto", "required"] | Annotated[NamedTool | AllowedChoice, Field(discriminator="type")]


class TextFormat(Lenient):
    type: Literal["text"]


class JsonObjectFormat(Lenient):
    type: Literal["json_object"]


class JsonSchema(Lenient):
    """`name` and `description` change nothing. `strict`: refuse what the answer cannot be held to in full."""

    model_config = ConfigDict(protected_namespaces=())

    name: str | None = None
    strict: bool | None = None
    schema_: dict[str, Any] = Field(default_factory=dict, alias="schema")


class JsonSchemaFormat(Lenient):
    type: Literal["json_schema"]
    json_schema: JsonSchema


ResponseFormat = Annotated[TextFormat | JsonObjectFormat | JsonSchemaFormat, Field(discriminator="type")]


def shape_of(choice: ToolChoice | None, parallel: bool | None, wanted: ResponseFormat | None) -> AnswerShape:
    """A call that must be made comes before a format of the text, of which there is none then."""
    must_call = is_call(choice)
    return AnswerShape(
        must_call=must_call,
        tool=choice.function.name if isinstance(choice, NamedTool) else None,
        parallel=parallel is not False,
        schema=None if must_call else _schema(wanted),
        allowed=choice.names if isinstance(choice, AllowedChoice) else None,
    )


def is_call(choice: ToolChoice | None) -> bool:
    """Whether the answer must be a call."""
    match choice:
        case AllowedChoice():
            return choice.allowed_tools.mode == "required"
        case NamedTool():
            return True
    return choice == "required"


def chosen(choice: ToolChoice | None) -> tuple[str, ...]:
    """The tools that a choice names."""
    match choice:
        case AllowedChoice():
            return choice.names
        case NamedTool():
            return (choice.function.name,)
    return ()


def _schema(wanted: ResponseFormat | None) -> dict[str, Any] | None:
    match wanted:
        case JsonObjectFormat():
            return {}
        case JsonSchemaFormat():
            return wanted.json_schema.schema_
    return None
