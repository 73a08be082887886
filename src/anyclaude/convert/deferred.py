"""Tools that are loaded in the middle of a conversation, without a new beginning of the prompt.

With its tool search Claude Code sends the definitions of most tools only once the model asked for them: a
`tool_reference` in a result, and the tool at the end of `tools` with `defer_loading` (observed with 2.1.197). Chat
templates write the tools first, so that one more there is a whole prompt to compute anew. A server that takes tools
which it does not show to the model (`Profile.deferred_tools`) gets them so, and the definition stands in the result.
"""

from collections.abc import Mapping
from typing import Any

from anyclaude.wire.json import encode


def is_deferred(tool: Mapping[str, Any]) -> bool:
    return tool.get("defer_loading") is True and isinstance(tool.get("name"), str)


def with_definitions(request: Mapping[str, Any]) -> Mapping[str, Any]:
    """The request with the definitions of deferred tools where they were loaded; the very same one without any."""
    definitions = {tool["name"]: _definition(tool) for tool in request.get("tools") or () if is_deferred(tool)}
    if not definitions:
        return request
    messages = [_with_definitions(message, definitions, results=True) for message in request["messages"]]
    return {**request, "messages": messages}


def _definition(tool: Mapping[str, Any]) -> str:
    shown = {"name": tool["name"], "description": tool.get("description", ""), "parameters": tool.get("input_schema")}
    return f"This tool is loaded and can be called now:\n{encode(shown).decode()}"


def _with_definitions(
    holder: Mapping[str, Any], definitions: Mapping[str, str], *, results: bool = False
) -> Mapping[str, Any]:
    """Of a message or of a result; what stands in a result's results is nothing that is known."""
    content = holder.get("content")
    if not isinstance(content, list):
        return holder
    return {**holder, "content": [_block(block, definitions, results=results) for block in content]}


def _block(block: Mapping[str, Any], definitions: Mapping[str, str], *, results: bool) -> Mapping[str, Any]:
    if results and block.get("type") == "tool_result":
        return _with_definitions(block, definitions)
    if block.get("type") == "tool_reference" and (known := definitions.get(str(block.get("tool_name")))):
        return {"type": "text", "text": known}
    return block
