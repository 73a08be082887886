"""Blocks of a conversation put in place of others, wherever they stand: in messages, and in the results of tools."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

Block = Mapping[str, Any]


async def replaced(
    request: Mapping[str, Any], is_wanted: Callable[[Block], bool], replacement: Callable[[Block], Awaitable[Block]]
) -> Mapping[str, Any]:
    """The request with a replacement for each block that is wanted, asked for one after the other.

    The very same request where there is none; nothing in it is changed.
    """
    if not any(is_wanted(block) for message in request["messages"] for block in blocks_of(message)):
        return request

    async def block_of(block: Block) -> Block:
        return await replacement(block) if is_wanted(block) else block

    async def result_of(block: Block) -> Block:
        content = block.get("content") if block.get("type") == "tool_result" else None
        if not isinstance(content, list):
            return await block_of(block)
        return {**block, "content": [await block_of(inner) for inner in content]}

    async def content_of(message: Block) -> Any:
        content = message["content"]
        return [await result_of(block) for block in content] if isinstance(content, list) else content

    messages = [{**message, "content": await content_of(message)} for message in request["messages"]]
    return {**request, "messages": messages}


def blocks_of(message: Mapping[str, Any]) -> Sequence[Block]:
    """The blocks of a message, those of its tool results included."""
    content = message["content"]
    if isinstance(content, str):
        return ()
    inner = (block.get("content") for block in content if block.get("type") == "tool_result")
    return [*content, *(block for blocks in inner if isinstance(blocks, list) for block in blocks)]
