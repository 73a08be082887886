"""What a Messages request must have before it can be converted, said in Anthropic's words.

Only what conversion leans on is checked: a field or a block type that nobody knows is no error. Total and
cheap: any JSON value either passes or raises InvalidRequest, and a path is put together only once something
is wrong.
"""

from typing import Any, NoReturn

from anyclaude.convert.tools import is_client_tool
from anyclaude.errors import InvalidRequest

_ROLES = ("user", "assistant", "system")
_CHOICES = ("auto", "any", "tool", "none")
_TEXT_FIELDS = {"text": ("text",), "tool_use": ("id", "name"), "tool_result": ("tool_use_id",)}

_MISSING = "Field required"
_STRING = "Input should be a valid string"
_LIST = "Input should be a valid list"
_OBJECT = "Input should be an object"
_NAME = "Input should be a string with at least 1 character"

_OPTIONS: tuple[tuple[str, tuple[type, ...], str], ...] = (
    ("temperature", (int, float), "Input should be a valid number"),
    ("top_p", (int, float), "Input should be a valid number"),
    ("top_k", (int,), "Input should be a valid integer"),
    ("stream", (bool,), "Input should be a valid boolean"),
    ("thinking", (dict,), _OBJECT),
    ("output_config", (dict,), _OBJECT),
)


def validate_request(request: object, *, max_tokens_required: bool = True) -> None:
    """Pass a request that can be converted. A request to count tokens needs no `max_tokens`.

    Raises InvalidRequest with the JSON path of the first fault, like `messages.3.content.0.text: Field
    required`.
    """
    if not isinstance(request, dict):
        _refuse("body", _OBJECT)
    model = request.get("model")
    if not isinstance(model, str) or not model:
        _refuse("model", _MISSING if model is None else _NAME)
    _check_messages(request.get("messages"))
    if request.get("system") is not None:
        _check_content("system", request["system"])
    _check_tools(request.get("tools"))
    _check_tool_choice(request.get("tool_choice"))
    _check_options(request, max_tokens_required)


def _refuse(path: str, words: str) -> NoReturn:
    raise InvalidRequest(f"{path}: {words}")


def _check_messages(messages: object) -> None:
    if not isinstance(messages, list):
        _refuse("messages", _MISSING if messages is None else _LIST)
    if not messages:
        _refuse("messages", "at least one message is required")
    for index, message in enumerate(messages):
        if not isinstance(message, dict):
            _refuse(f"messages.{index}", _OBJECT)
        if message.get("role") not in _ROLES:
            _refuse(f"messages.{index}.role", "Input should be 'user', 'assistant' or 'system'")
        content = message.get("content")
        if not isinstance(content, str):
            _check_content(f"messages.{index}.content", content)


def _check_content(path: str, content: object) -> None:
    for index, block in enumerate(_checked_blocks(path, content)):
        if block["type"] == "tool_result" and block.get("content") is not None:
            _checked_blocks(f"{path}.{index}.content", block["content"])


def _checked_blocks(path: str, content: object) -> list[dict[str, Any]]:
    """The blocks of `content`, none when it is a string."""
    if isinstance(content, str):
        return []
    if not isinstance(content, list):
        _refuse(path, _MISSING if content is None else "Input should be a valid string or list")
    for index, block in enumerate(content):
        if (fault := _block_fault(block)) is not None:
            _refuse(f"{path}.{index}{fault[0]}", fault[1])
    return content


def _block_fault(block: object) -> tuple[str, str] | None:
    if not isinstance(block, dict):
        return "", _OBJECT
    kind = block.get("type")
    if not isinstance(kind, str):
        return ".type", _MISSING if kind is None else _STRING
    for name in _TEXT_FIELDS.get(kind, ()):
        value = block.get(name)
        if not isinstance(value, str):
            return f".{name}", _MISSING if value is None else _STRING
    return None


def _check_tools(tools: object) -> None:
    if not isinstance(tools, list | None):
        _refuse("tools", _LIST)
    for index, tool in enumerate(tools or ()):
        if not isinstance(tool, dict):
            _refuse(f"tools.{index}", _OBJECT)
        if is_client_tool(tool):
            _check_client_tool(f"tools.{index}", tool)


def _check_client_tool(path: str, tool: dict[str, Any]) -> None:
    name = tool.get("name")
    if not isinstance(name, str) or not name:
        _refuse(f"{path}.name", _MISSING if name is None else _NAME)
    if not isinstance(tool.get("description"), str | None):
        _refuse(f"{path}.description", _STRING)
    if not isinstance(tool.get("input_schema"), dict | None):
        _refuse(f"{path}.input_schema", _OBJECT)


def _check_tool_choice(choice: object) -> None:
    if not isinstance(choice, dict | None):
        _refuse("tool_choice", _OBJECT)
    if choice is None:
        return
    if choice.get("type") not in _CHOICES:
        _refuse("tool_choice.type", "Input should be 'auto', 'any', 'tool' or 'none'")
    if choice["type"] == "tool" and not isinstance(choice.get("name"), str):
        _refuse("tool_choice.name", _MISSING)


def _check_options(request: dict[str, Any], max_tokens_required: bool) -> None:
    max_tokens = request.get("max_tokens")
    if max_tokens is None and max_tokens_required:
        _refuse("max_tokens", _MISSING)
    if max_tokens is not None and not (type(max_tokens) is int and max_tokens > 0):
        _refuse("max_tokens", "Input should be an integer greater than 0")
    for name, types, words in _OPTIONS:
        value = request.get(name)
        if value is not None and type(value) not in types:
            _refuse(name, words)
    _check_stop_sequences(request.get("stop_sequences"))


def _check_stop_sequences(sequences: object) -> None:
    if not isinstance(sequences, list | None):
        _refuse("stop_sequences", _LIST)
    for index, sequence in enumerate(sequences or ()):
        if not isinstance(sequence, str):
            _refuse(f"stop_sequences.{index}", _STRING)
