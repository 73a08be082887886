"""What an upstream and its model accept. Differences between servers and models are data here, never
branches."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Profile:
    """The abilities that request conversion must know. The defaults describe a modern OpenAI-compatible
    server.

    tools: the chat template renders tool definitions; without it they are not sent.
    deferred_tools: tools with `defer_loading` may be called, and are not shown to the model.
    documents: PDFs are taken as they are, as files.
    images: the model takes image parts; without it an image becomes a line of text that says so.
    top_k: the server takes `top_k`, which OpenAI's own API does not.
    named_tool_choice: `tool_choice` may name a function. Without it, a named choice is `required` with that
    tool alone.
    plain_schemas: tool schemas are sent without bounds of values, which the server's grammar cannot hold.
    none_tool_choice: `tool_choice: none` is enforced. Without it, a choice of `none` sends no tools.
    short_call_ids: past calls are sent with ids of 9 letters and digits; Mistral's API and templates refuse all others.
    parallel_tool_calls: the server takes the `parallel_tool_calls` switch.
    response_format: `json_schema` is enforced.
    response_format_with_tools: ... also beside tools (llama.cpp answers 400 to both together).
    efforts: the values of `reasoning_effort` that the model takes, in rising order; empty: never sent.
    thinking_switch: a variable in `chat_template_kwargs` turns thinking on and off.
    thinking_variable: the name of that variable in the model's template.
    thinking_field: the field of an assistant message that carries earlier thinking back; None: it is dropped.
    reasoning_details: thinking goes back as OpenRouter's `reasoning_details`, unmodified, out of the signatures that
    carried them; and depth is asked for with its `reasoning` object instead of `reasoning_effort`.
    answers_as: the names under which the model may answer, where another one may answer in its place and its thinking
    must be told apart; empty: nobody else does.
    reasoning_mandatory: the model cannot be asked to answer without thinking.
    cache_breakpoints: how many `cache_control` marks a request may carry; 0: none are sent.
    context_window, max_output: tokens; None: not known. A higher `max_tokens` is lowered to `max_output`.
    max_tokens_field: what the server calls the bound of the answer.
    parameters: the optional parameters that the model takes, where the server lists them; None: all.
    refused: parameters that were refused once, and are not sent again.
    constants: fields added to every request as they stand.
    repairs: what the model gets wrong in its answers is mended where it is certain what it means.
    text_calls: calls and thinking that the model writes as text are taken out of it.
    thinking_opened: the chat template writes the tag that opens the thinking, and the server leaves the one that
    closes it in the text.
    """

    tools: bool = True
    deferred_tools: bool = False
    documents: bool = False
    images: bool = True
    top_k: bool = False
    named_tool_choice: bool = True
    plain_schemas: bool = False
    none_tool_choice: bool = False
    short_call_ids: bool = False
    parallel_tool_calls: bool = True
    response_format: bool = True
    response_format_with_tools: bool = False
    efforts: tuple[str, ...] = ()
    thinking_switch: bool = False
    thinking_variable: str = "enable_thinking"
    thinking_field: str | None = None
    reasoning_details: bool = False
    answers_as: frozenset[str] = frozenset()
    reasoning_mandatory: bool = False
    cache_breakpoints: int = 0
    context_window: int | None = None
    max_output: int | None = None
    max_tokens_field: str = "max_tokens"
    parameters: frozenset[str] | None = None
    refused: frozenset[str] = frozenset()
    constants: Mapping[str, Any] = field(default_factory=dict)
    repairs: bool = True
    text_calls: bool = True
    thinking_opened: bool = False

    def takes(self, parameter: str) -> bool:
        """Whether an optional parameter may be sent."""
        return parameter not in self.refused and (self.parameters is None or parameter in self.parameters)
