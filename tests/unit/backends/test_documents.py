"""PDFs become text, each of them once."""

import asyncio
import base64
from collections.abc import Mapping
from typing import Any

import pytest

from anyclaude.backends.base import NO_JOURNAL
from anyclaude.backends.documents import Documents
from anyclaude.backends.router import Router
from anyclaude.backends.scripted import ScriptedBackend
from anyclaude.config.routes import Routes, Target


def document(content: bytes, **more: Any) -> dict[str, Any]:
    encoded = base64.b64encode(content).decode()
    return {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": encoded}, **more}


def request(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "Hi"}, {"role": "user", "content": list(blocks)}]}


class Reader:
    def __init__(self) -> None:
        self.read: list[bytes] = []

    async def __call__(self, content: bytes) -> str:
        self.read.append(content)
        return f"text of {content.decode()}"


async def test_a_document_becomes_its_text_wherever_it_stands() -> None:
    reader = Reader()
    documents = Documents(reader)
    result = {"type": "tool_result", "tool_use_id": "1", "content": [document(b"two")]}
    asked = request({"type": "text", "text": "Read."}, document(b"one", title="One"), result)
    sent = await documents.readable(asked, NO_JOURNAL)
    text, first, second = sent["messages"][1]["content"]
    assert text == {"type": "text", "text": "Read."}
    assert first["title"] == "One"
    assert first["source"] == {"type": "text", "media_type": "text/plain", "data": "text of one"}
    assert second["content"][0]["source"]["data"] == "text of two"
    assert await documents.readable(asked, NO_JOURNAL) == sent
    assert reader.read == [b"one", b"two"]


@pytest.mark.parametrize(
    "block",
    [
        {"type": "text", "text": "none"},
        {"type": "document", "source": {"type": "text", "data": "already"}},
        {"type": "tool_result", "tool_use_id": "1", "content": "text"},
        {"type": "tool_result", "tool_use_id": "1"},
    ],
)
async def test_without_a_pdf_the_request_is_the_very_same(block: dict[str, Any]) -> None:
    asked = request(block)
    assert await Documents(Reader()).readable(asked, NO_JOURNAL) is asked


async def test_what_is_not_base64_is_said() -> None:
    broken = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "%%"}}
    sent = await Documents(Reader()).readable(request(broken), NO_JOURNAL)
    assert "not encoded" in sent["messages"][1]["content"][0]["source"]["data"]


async def test_what_is_kept_is_bounded() -> None:
    reader = Reader()
    documents = Documents(reader, most_characters=30)
    for name in (b"one", b"two", b"three", b"three", b"one"):
        await documents.readable(request(document(name)), NO_JOURNAL)
    assert reader.read == [b"one", b"two", b"three", b"one"]


async def test_what_a_document_says_is_counted_and_read_once() -> None:
    class Counting(ScriptedBackend):
        async def count_tokens(self, request: Mapping[str, Any], model: str | None = None) -> int:
            return str(request).count("text of")

    reader = Reader()
    router = Router({"lmstudio": Counting()}, Routes(Target("lmstudio")), documents={"lmstudio": Documents(reader)})
    for _ in range(2):
        assert await router.count_tokens({"model": "m", **request(document(b"one"))}) == 1
    assert len(reader.read) == 1


async def test_what_is_no_block_inside_a_result_is_left_as_it_is() -> None:
    inner = {"type": "tool_result", "tool_use_id": "1", "content": [5, None]}
    result = {"type": "tool_result", "tool_use_id": "1", "content": [inner, document(b"one")]}
    sent = await Documents(Reader()).readable(request(result), NO_JOURNAL)
    assert sent["messages"][1]["content"][0]["content"][0] == inner


async def test_two_who_come_at_once_wait_for_one_reading() -> None:
    reader = Reader()
    documents = Documents(reader, most_characters=30)
    asked = request(document(b"one"))
    one, other = await asyncio.gather(*(documents.readable(asked, NO_JOURNAL) for _ in range(2)))
    assert one == other
    assert reader.read == [b"one"]
    await documents.readable(request(document(b"two")), NO_JOURNAL)
    await documents.readable(asked, NO_JOURNAL)
    assert reader.read == [b"one", b"two"], "it took its room but once"
