"""POST /v1/messages over a real socket, in front of a scripted backend."""

import asyncio
from typing import Any

import pytest

from anyclaude.backends.scripted import ScriptedBackend, Step
from anyclaude.errors import AnyclaudeError, Overloaded, PromptTooLong, RateLimited, UpstreamBroken
from anyclaude.wire.events import Failed, Finished, TextDelta, ToolArgsDelta, ToolCallStart
from tests.support.clients import ASK, decode, talking_to


def types(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


async def test_a_streamed_answer() -> None:
    async with talking_to(ScriptedBackend()) as client, client.post(stream=True) as response:
        events = decode(await response.read())
        assert response.headers["Content-Type"].startswith("text/event-stream")
        assert response.headers["X-Accel-Buffering"] == "no"
        assert response.headers["request-id"].startswith("req_")
    assert types(events) == [
        *("message_start", "content_block_start", "content_block_delta", "content_block_delta", "content_block_stop"),
        *("message_delta", "message_stop"),
    ]
    assert events[0]["message"]["model"] == "m"


async def test_the_same_answer_in_one_piece() -> None:
    async with talking_to(ScriptedBackend()) as client, client.post() as response:
        message = await response.json()
        assert response.headers["request-id"].startswith("req_")
    assert message["content"] == [{"type": "text", "text": "Hello there"}]
    assert message["usage"]["cache_read_input_tokens"] == 4


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages?beta=true", "/v1/v1/messages?beta=true"])
async def test_the_paths_that_claude_code_uses(path: str) -> None:
    async with talking_to(ScriptedBackend()) as client, client.post(path) as response:
        assert response.status == 200


async def test_the_backend_learns_who_asks() -> None:
    backend = ScriptedBackend()
    headers = {"X-Claude-Code-Session-Id": "s1", "x-claude-code-agent-id": "a1"}
    async with (
        talking_to(backend) as client,
        client.session.post(client.url + "/v1/messages", json=ASK, headers=headers),
    ):
        pass
    caller = backend.callers[0]
    assert (caller.session_id, caller.agent_id) == ("s1", "a1")
    assert caller.raw is not None
    assert (caller.raw.method, caller.raw.path) == ("POST", "/v1/messages")


REFUSALS = [
    (PromptTooLong(40000, 32768), 400, "invalid_request_error", {}),
    (RateLimited("slow down", headers={"retry-after": "3"}), 429, "rate_limit_error", {"retry-after": "3"}),
    (Overloaded("busy"), 529, "overloaded_error", {}),
    (UpstreamBroken("gone"), 502, "api_error", {}),
]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(("error", "status", "kind", "headers"), REFUSALS)
async def test_a_refusal_is_a_real_status(
    error: AnyclaudeError, status: int, kind: str, headers: dict[str, str], stream: bool
) -> None:
    async with talking_to(ScriptedBackend(refusal=error)) as client, client.post(stream=stream) as response:
        body = await response.json()
        assert (response.status, body["error"]["type"], body["error"]["message"]) == (status, kind, error.message)
        assert body["request_id"] == response.headers["request-id"]
        assert headers.items() <= response.headers.items()


@pytest.mark.parametrize("stream", [True, False])
async def test_an_error_before_the_first_event_is_a_real_status_too(stream: bool) -> None:
    backend = ScriptedBackend([[], [Failed(PromptTooLong(9, 8))]])
    async with talking_to(backend) as client, client.post(stream=stream) as response:
        assert response.status == 400
        assert "prompt is too long: 9 tokens > 8 maximum" in await response.text()


async def test_an_error_in_mid_answer_is_an_error_event_and_what_came_before_is_kept() -> None:
    async with talking_to(
        ScriptedBackend([[TextDelta("a")], [TextDelta("b"), Failed(UpstreamBroken("gone"))]])
    ) as client:
        events = await client.events()
    assert [event["delta"]["text"] for event in events if event["type"] == "content_block_delta"] == ["a", "b"]
    assert events[-1]["error"]["message"] == "gone"


async def test_an_error_in_mid_answer_fails_the_answer_in_one_piece() -> None:
    backend = ScriptedBackend([[TextDelta("a")], [Failed(UpstreamBroken("gone"))]])
    async with talking_to(backend) as client, client.post() as response:
        assert response.status == 502


async def test_a_backend_that_just_stops_is_an_error() -> None:
    async with talking_to(ScriptedBackend([[TextDelta("a")]])) as client:
        events = await client.events()
        assert events[-1]["type"] == "error"
        async with client.post() as response:
            assert response.status == 502


async def test_a_fault_of_our_own_is_told_without_its_details() -> None:
    backend = ScriptedBackend([[TextDelta("a")], 5])  # type: ignore[list-item]
    async with talking_to(backend) as client:
        events = await client.events()
        async with client.post() as response:
            assert (response.status, "log" in await response.text()) == (500, True)
    assert events[-1]["error"]["type"] == "api_error"


async def test_tool_calls() -> None:
    steps: list[Step] = [
        [ToolCallStart("t1", "Bash"), ToolArgsDelta('{"command":')],
        [ToolArgsDelta('"ls"}'), Finished("tool_use")],
    ]
    async with talking_to(ScriptedBackend(steps)) as client, client.post() as response:
        message = await response.json()
    assert message["content"] == [{"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "ls"}}]
    assert message["stop_reason"] == "tool_use"


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_closes_the_upstream(stream: bool) -> None:
    never = asyncio.Event()
    backend = ScriptedBackend([never])
    async with talking_to(backend) as client:
        asking = asyncio.create_task(client.events() if stream else _read(client.post()))
        await backend.accepted.wait()
        asking.cancel()
        async with asyncio.timeout(5):
            await backend.left.wait()


async def _read(asking: Any) -> bytes:
    async with asking as response:
        body: bytes = await response.read()
        return body


async def test_a_client_that_leaves_in_mid_stream_closes_the_upstream() -> None:
    never = asyncio.Event()
    backend = ScriptedBackend([[TextDelta("a")], never])
    async with talking_to(backend) as client:
        async with client.post(stream=True) as response:
            await response.content.readany()
            response.close()
        async with asyncio.timeout(5):
            await backend.left.wait()


BAD = {
    "no JSON": (b"{", "not valid JSON"),
    "no object": (b"[]", "must be a JSON object"),
    "no messages": (b'{"model":"m","max_tokens":1}', "messages"),
    "deep": (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested"),
    "wrong type": (
        b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"text","text":5}]}]}',
        "0",
    ),
}


@pytest.mark.parametrize(("body", "said"), BAD.values(), ids=BAD.keys())
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
async def test_a_bad_request_is_one_clear_400(body: bytes, said: str, path: str) -> None:
    backend = ScriptedBackend()
    headers = {"Content-Type": "application/json"}
    async with (
        talking_to(backend) as client,
        client.session.post(client.url + path, data=body, headers=headers) as response,
    ):
        answer = await response.json()
        assert (response.status, answer["error"]["type"]) == (400, "invalid_request_error")
        assert said in answer["error"]["message"]
    assert backend.requests == []


async def test_count_tokens_needs_no_max_tokens() -> None:
    ask = {"model": "m", "messages": [{"role": "user", "content": "count"}]}
    async with talking_to(ScriptedBackend()) as client, client.post("/v1/messages/count_tokens", body=ask) as response:
        assert await response.json() == {"input_tokens": 7}
