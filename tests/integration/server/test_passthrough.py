"""Claude mode: what goes in comes out, in both directions, and our token stays here."""

import asyncio
import gzip
import json
from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest

from anyclaude.backends.claude import ClaudeBackend
from anyclaude.backends.router import Router
from anyclaude.backends.scripted import ScriptedBackend
from anyclaude.config.model import Deadlines
from anyclaude.config.routes import Routes, Target
from anyclaude.config.upstreams import Claude
from anyclaude.server import watch
from anyclaude.server.serve import serving
from tests.support import anthropic_upstream as shapes
from tests.support.anthropic_upstream import Play, Received, says
from tests.support.claude_mode import BODY, LOGIN, OURS, Kept, ask, claude_mode
from tests.support.clients import TOKEN


async def test_bytes_in_are_bytes_out() -> None:
    stream = b": a comment\n\n" + b"".join(map(shapes.frame, shapes.events("H\u00e9llo.")))
    client = {
        **OURS,
        **LOGIN,
        "anthropic-beta": "one-2026-01-01,two",
        "X-Unknown": "kept",
        "User-Agent": "claude-cli/9",
    }
    async with claude_mode(shapes.streams(stream)) as (url, upstream):
        response, body = await ask(url, client.items(), path="/v1/messages?beta=true")
    (received,) = upstream.requests
    assert body == stream
    assert received.body == BODY
    assert received.target == "/v1/messages?beta=true"
    for name in ("Authorization", "anthropic-beta", "X-Unknown", "User-Agent", "Content-Type"):
        assert received.header(name) == [client[name]]
    assert [(n, v) for n, v in response.headers.items() if (n, v) in shapes.HEADERS] == list(shapes.HEADERS)
    assert TOKEN.encode() not in received.head


async def test_a_long_conversation_goes_on_as_it_came() -> None:
    body = BODY[:-1] + b',"more":"' + b"x" * 3_000_000 + b'"}'
    async with claude_mode(says("Hi")) as (url, upstream):
        response, _ = await ask(url, {**OURS, **LOGIN}.items(), body)
    (received,) = upstream.requests
    assert response.status == 200
    assert received.body == body
    assert received.header("content-length") == [str(len(body))]


async def test_an_answer_in_one_piece_is_handed_on() -> None:
    answer = json.dumps(shapes.message({"type": "text", "text": "Hi"}), indent=3).encode()
    async with claude_mode(shapes.answers(answer)) as (url, _):
        response, body = await ask(url, {**OURS, **LOGIN}.items())
    assert body == answer
    assert response.headers["Content-Length"] == str(len(answer))
    assert response.headers["request-id"] == "req_011CUpstream"


STRIPPED: Mapping[str, tuple[tuple[str, str], ...]] = {
    "our header": (("x-anyclaude-token", TOKEN),),
    "our header, in capitals": (("X-ANYCLAUDE-TOKEN", TOKEN),),
    "our header, wrong and again": (("x-anyclaude-token", TOKEN), ("x-anyclaude-token", "another")),
    "our token as a bearer": (("x-anyclaude-token", TOKEN), ("Authorization", f"Bearer {TOKEN}")),
    "our token as a key": (("x-api-key", TOKEN),),
    "our token as both": (("x-api-key", TOKEN), ("authorization", f"bearer  {TOKEN}")),
    "connection-named": (("x-api-key", TOKEN), ("Connection", "X-Secret, keep-alive"), ("X-Secret", "s")),
    "hop-by-hop": (
        ("x-api-key", TOKEN),
        ("TE", "trailers"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Authorization", "Basic cDpw"),
        ("Proxy-Connection", "keep-alive"),
    ),
}


@pytest.mark.parametrize("headers", STRIPPED.values(), ids=STRIPPED.keys())
async def test_what_does_not_go_on(headers: tuple[tuple[str, str], ...]) -> None:
    async with claude_mode(says("Hi")) as (url, upstream):
        response, _ = await ask(url, (*headers, ("Content-Type", "application/json"), ("X-Kept", "1")))
    (received,) = upstream.requests
    assert response.status == 200
    named = {name.lower() for name, _ in received.headers}
    ours = {"connection", "host", "accept", "accept-encoding", "content-length", "content-type", "x-kept", "user-agent"}
    assert named <= ours
    assert "x-kept" in named
    assert received.header("connection") in ([], ["close"])  # of our own connection
    assert TOKEN.encode() not in received.head
    assert received.header("host") == [upstream.url.removeprefix("http://")]
    assert received.header("accept-encoding") == ["identity"]


async def test_a_compressed_request_arrives_in_plain() -> None:
    async with claude_mode(says("Hi")) as (url, upstream):
        response, _ = await ask(url, {**OURS, **LOGIN, "Content-Encoding": "gzip"}.items(), gzip.compress(BODY))
    (received,) = upstream.requests
    assert response.status == 200
    assert received.body == BODY
    assert received.header("content-encoding") == []
    assert received.header("content-length") == [str(len(BODY))]


async def test_an_answer_that_is_compressed_all_the_same_arrives_in_plain() -> None:
    play = shapes.answers(gzip.compress(b'{"a":1}'), 200, ("Content-Encoding", "gzip"))
    async with claude_mode(play) as (url, _):
        response, body = await ask(url, {**OURS, **LOGIN}.items())
    assert body == b'{"a":1}'
    assert "Content-Encoding" not in response.headers


async def test_a_rate_limit_is_handed_on_whole() -> None:
    error = {"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}, "request_id": "req_1"}
    limits = (
        ("retry-after", "7"),
        ("x-should-retry", "true"),
        ("anthropic-ratelimit-tokens-reset", "2026-01-01T00:00:00Z"),
    )
    async with claude_mode(shapes.answers(error, 429, *limits)) as (url, _):
        response, body = await ask(url, {**OURS, **LOGIN}.items())
    assert response.status == 429
    assert json.loads(body) == error
    for name, value in limits:
        assert response.headers[name] == value


CUT: Mapping[str, Play] = {
    "the connection breaks": shapes.streams(b"".join(map(shapes.frame, shapes.events()[:4])), end=b""),
    "a clean end too soon": shapes.streams(b"".join(map(shapes.frame, shapes.events()[:4]))),
    "nothing at all": shapes.streams(b": hello\n\n"),
    "the last event is half there": shapes.streams(b"".join(map(shapes.frame, shapes.events()))[:-12]),
}


@pytest.mark.parametrize("play", CUT.values(), ids=CUT.keys())
async def test_a_cut_stream_is_seen_as_cut(play: Play) -> None:
    async with claude_mode(play) as (url, _):
        with pytest.raises(aiohttp.ClientPayloadError):
            await ask(url, {**OURS, **LOGIN}.items())


async def test_a_stream_that_ends_in_an_error_is_whole() -> None:
    error = shapes.frame({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}})
    async with claude_mode(shapes.streams(error)) as (url, _):
        _, body = await ask(url, {**OURS, **LOGIN}.items())
    assert body == error


async def test_events_that_nobody_knows_disturb_nothing() -> None:
    known = shapes.events()
    stream = b"".join(
        map(shapes.frame, [*known[:2], {"type": "brand_new", "x": 1}, {"type": "content_block_delta"}, *known[2:]])
    )
    async with claude_mode(shapes.streams(stream)) as (url, _):
        _, body = await ask(url, {**OURS, **LOGIN}.items())
    assert body == stream


async def test_a_client_that_leaves_closes_the_upstream() -> None:
    left = asyncio.Event()

    async def play(received: Received) -> None:
        await received.send(shapes.STREAM_HEAD, shapes.chunk(shapes.frame(shapes.events()[0])))
        await received.gone()
        left.set()

    async with claude_mode(play) as (url, _), aiohttp.ClientSession() as session:
        async with session.post(url + "/v1/messages", data=BODY, headers={**OURS, **LOGIN}) as response:
            await response.content.readany()
            response.close()
        async with asyncio.timeout(10):
            await left.wait()


async def test_without_our_token_nothing_is_asked() -> None:
    async with claude_mode(says("Hi")) as (url, upstream):
        for wrong in ({}, {"x-anyclaude-token": "nope"}, {"x-anyclaude-token": TOKEN[:-1]}):
            response, _ = await ask(url, {**LOGIN, "Content-Type": "application/json", **wrong}.items())
            assert response.status == 401
    assert upstream.requests == []


async def test_other_endpoints_are_handed_on() -> None:
    async with claude_mode(shapes.answers({"data": [1]})) as (url, upstream):
        for method, path in (
            ("GET", "/v1/models?limit=5"),
            ("GET", "/v1/models/x"),
            ("DELETE", "/v1/files/f"),
            ("GET", "/api/a"),
        ):
            response, body = await ask(url, {**OURS, **LOGIN}.items(), b"", method, path)
            assert (response.status, json.loads(body)) == (200, {"data": [1]})
            assert upstream.requests[-1].head.startswith(f"{method} {path} ".encode())


async def test_other_endpoints_are_unknown_where_claude_is_not() -> None:
    async with serving(ScriptedBackend(), TOKEN) as address:
        response, _ = await ask(address.url, OURS.items(), b"", "GET", "/v1/files")
        assert response.status == 404
        response, _ = await ask(address.url, OURS.items(), b"", "GET", "/v1/messages")
        assert response.status == 405


async def test_claude_away_is_an_error_in_its_shape() -> None:
    router = Router({"claude": ClaudeBackend(Claude(url="http://127.0.0.1:1"), Deadlines())}, Routes(Target("claude")))
    async with serving(router, TOKEN) as address:
        response, body = await ask(address.url, {**OURS, **LOGIN}.items())
    assert response.status == 502
    assert json.loads(body)["error"]["type"] == "api_error"


async def test_the_trace_sees_the_stream() -> None:
    kept = Kept()
    async with claude_mode(says("Hi"), recording=kept) as (url, _):
        await ask(url, {**OURS, **LOGIN}.items())
    assert kept.events == shapes.events("Hi")
    assert kept.bodies == [BODY]
    assert kept.moments == ["accepted", "first_event"]
    assert kept.ends == [(200, "complete")]


async def test_the_trace_sees_the_cut() -> None:
    kept = Kept()
    async with claude_mode(CUT["a clean end too soon"], recording=kept) as (url, _):
        with pytest.raises(aiohttp.ClientPayloadError):
            await ask(url, {**OURS, **LOGIN}.items())
    assert kept.ends == [(200, "error")]
    assert any(kind == "warning" and "truncated" in facts["text"] for kind, facts in kept.notes)
    assert kept.wholes == []


async def test_the_trace_sees_an_answer_in_one_piece() -> None:
    kept = Kept()
    async with claude_mode(says("Hi"), recording=kept) as (url, _):
        await ask(url, {**OURS, **LOGIN}.items(), BODY.replace(b"true", b"false"))
    assert kept.wholes == [shapes.message({"type": "text", "text": "Hi"})]
    assert (kept.events, kept.ends) == ([], [(200, "complete")])


async def test_the_trace_sees_what_claude_refused() -> None:
    kept = Kept()
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": "max_tokens: too many"}}
    async with claude_mode(shapes.answers(error, 400), recording=kept) as (url, _):
        response, _ = await ask(url, {**OURS, **LOGIN}.items())
    assert response.status == 400
    assert (kept.wholes, kept.ends) == ([error], [(400, "error")])
    assert kept.errors == ["Claude said: max_tokens: too many"]


async def test_the_trace_sees_an_error_in_mid_stream() -> None:
    kept = Kept()
    error = shapes.frame({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}})
    async with claude_mode(shapes.streams(error), recording=kept) as (url, _):
        await ask(url, {**OURS, **LOGIN}.items())
    assert (kept.errors, kept.ends) == (["Claude said: busy"], [(200, "error")])


@pytest.mark.parametrize("body", [b"<html>oops</html>", b"[1]", b"", b'{"a":', b"\xff"])
async def test_what_is_no_message_is_handed_on_and_not_recorded(body: bytes) -> None:
    kept = Kept()
    async with claude_mode(shapes.answers(body), recording=kept) as (url, _):
        _, answered = await ask(url, {**OURS, **LOGIN}.items())
    assert (answered, kept.wholes) == (body, [])


async def test_what_is_too_large_for_a_trace_is_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "LARGEST_KEPT", 1000)
    kept, body = Kept(), json.dumps({"data": "x" * 2000}).encode()
    async with claude_mode(shapes.answers(body), recording=kept) as (url, _):
        _, answered = await ask(url, {**OURS, **LOGIN}.items())
    assert (answered, kept.wholes) == (body, [])


STRANGE: list[dict[str, Any]] = [
    {"type": "brand_new", "x": 1},
    {"type": "content_block_delta"},
    {"type": "message_delta", "delta": 1},
]


@pytest.mark.parametrize("strange", STRANGE, ids=[one["type"] for one in STRANGE])
async def test_the_trace_goes_on_after_what_nobody_knows(strange: dict[str, Any]) -> None:
    kept, known = Kept(), shapes.events()
    stream = b"".join([shapes.frame(event) for event in [*known[:2], strange, *known[2:]]])
    async with claude_mode(shapes.streams(stream), recording=kept) as (url, _):
        _, body = await ask(url, {**OURS, **LOGIN}.items())
    assert body == stream
    assert kept.events == [*known[:2], strange, *known[2:]]
    assert [kind for kind, _ in kept.notes].count("warning") == 1
    assert kept.ends == [(200, "complete")]


async def test_a_stream_that_forgot_its_stop_reason_is_noted() -> None:
    kept, known = Kept(), shapes.events()
    stream = b"".join([shapes.frame(event) for event in known if event["type"] != "message_delta"])
    async with claude_mode(shapes.streams(stream), recording=kept) as (url, _):
        _, body = await ask(url, {**OURS, **LOGIN}.items())
    assert body == stream
    assert [facts["found"] for kind, facts in kept.notes if kind == "warning"] == [
        "message_stop may not follow in state MESSAGE"
    ]


@pytest.mark.parametrize("play", CUT.values(), ids=CUT.keys())
async def test_a_cut_is_in_the_log_and_the_trace(play: Play, caplog: pytest.LogCaptureFixture) -> None:
    kept = Kept()
    async with claude_mode(play, recording=kept) as (url, _):
        with pytest.raises(aiohttp.ClientPayloadError):
            await ask(url, {**OURS, **LOGIN}.items())
    (said,) = [record.getMessage() for record in caplog.records if "the answer was cut" in record.getMessage()]
    assert "complete" in said
    assert kept.errors == [said.removeprefix("the answer was cut: ")]


async def test_a_redirect_does_not_lead_the_client_past_us() -> None:
    async with shapes.anthropic_upstream(says("caught")) as elsewhere:
        there = shapes.answers({}, 307, ("Location", elsewhere.url + "/v1/messages"))
        async with claude_mode(there) as (url, _):
            response, body = await ask(url, {**OURS, **LOGIN}.items())
    assert (response.status, response.history) == (502, ())
    assert "Location" not in response.headers
    assert b"redirects elsewhere" in body
    assert elsewhere.requests == []
