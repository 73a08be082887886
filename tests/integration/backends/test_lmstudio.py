"""What LM Studio, llama.cpp and others say of the model that is loaded, and what we say when nothing is."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import SecretStr

from anyclaude.backends import http, lmstudio
from anyclaude.backends.base import Caller, ModelInfo
from anyclaude.backends.lmstudio import LMStudioBackend
from anyclaude.config.model import Deadlines, ProfileChange
from anyclaude.config.upstreams import LMStudio
from anyclaude.errors import SetupError
from anyclaude.launch.fit import fit
from tests.support.journal import Notes
from tests.support.openai_upstream import OpenAIUpstream
from tests.support.raw_upstream import Connection, raw_upstream, whole
from tests.support.script import Says, reply
from tests.support.streams import finish

NATIVE: dict[str, Any] = {
    "data": [
        {"id": "embedder", "type": "embeddings", "state": "loaded"},
        {"id": "other", "type": "llm", "state": "not-loaded", "max_context_length": 4096},
        {
            "id": "qwen3-coder",
            "type": "llm",
            "state": "loaded",
            "max_context_length": 262144,
            "loaded_context_length": 32768,
            "capabilities": ["tool_use"],
        },
    ]
}
PROPS = {
    "default_generation_settings": {"n_ctx": 8192},
    "chat_template_caps": {"supports_tools": False},
    "modalities": {"vision": True},
}
PLAIN = {"data": [{"id": "smol.gguf"}]}


async def ready(
    replies: Mapping[str, Any], model: str | None = None, changes: Mapping[str, ProfileChange] | None = None
) -> ModelInfo:
    """What `ready` finds on a server that knows these paths and answers 404 to all others."""

    async def play(connection: Connection) -> None:
        path = connection.head.split()[1]
        body = replies.get(path, {"error": {"message": "File Not Found"}})
        await connection.send(whole(200 if path in replies else 404, json.dumps(body).encode(), Connection="close"))

    async with raw_upstream(play) as upstream:
        backend = LMStudioBackend(LMStudio(url=upstream.url), model, Deadlines(), changes or {})
        try:
            return await backend.ready()
        finally:
            await backend.aclose()


async def test_lm_studio_says_what_is_loaded_and_how_large_its_window_is() -> None:
    assert await ready({"/api/v0/models": NATIVE}) == ModelInfo("qwen3-coder", 32768, True, images=False)


async def test_a_model_that_is_named_is_looked_for() -> None:
    assert await ready({"/api/v0/models": NATIVE}, "other") == ModelInfo(
        "other", 4096, None, images=False, note=lmstudio._NOT_LOADED
    )
    with pytest.raises(SetupError, match=r"has no model 'nope'; it has: qwen3-coder, other"):
        await ready({"/api/v0/models": NATIVE}, "nope")


async def test_llama_cpp_says_it_in_its_own_way() -> None:
    assert await ready({"/props": PROPS, "/v1/models": PLAIN}) == ModelInfo("smol.gguf", 8192, False, images=True)


@pytest.mark.parametrize("host", ["a..b", "256.1.1.1", f"{'a' * 70}.x"])
async def test_a_host_that_cannot_be_is_told_as_one(host: str) -> None:
    backend = LMStudioBackend(LMStudio(url=f"http://{host}/v1"), None, Deadlines())
    try:
        with pytest.raises(SetupError, match="nothing answers at"):
            await backend.ready()
    finally:
        await backend.aclose()


async def test_a_list_has_a_bound_and_a_refusal_does_not_repeat_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_LARGEST_ANSWER", 4)
    for status, said in (
        (200, "more than 4 bytes"),
        (401, "refused our API key"),
        (400, "our key"),
        (307, "redirects elsewhere"),
    ):

        async def play(connection: Connection, status: int = status) -> None:
            await connection.send(whole(status, json.dumps({"error": connection.head}).encode(), Connection="close"))

        async with raw_upstream(play) as upstream:
            backend = LMStudioBackend(LMStudio(url=upstream.url, api_key=SecretStr("a-key-of-ours")), None, Deadlines())
            try:
                with pytest.raises(SetupError, match=said) as caught:
                    await backend.ready()
            finally:
                await backend.aclose()
        assert "a-key-of-ours" not in caught.value.message
        assert caught.value.message.endswith("LMSTUDIO_URL to where it listens")


async def test_a_model_without_a_name_is_none() -> None:
    with pytest.raises(SetupError, match="has no model loaded"):
        await ready({"/v1/models": {"data": [{"id": ""}]}})


async def test_a_plain_server_says_little() -> None:
    assert await ready({"/v1/models": PLAIN}) == ModelInfo("smol.gguf", None, None)


async def test_a_server_that_answers_200_to_everything() -> None:
    unknown = {"error": "Unexpected endpoint or method. Returning 200 anyway"}
    assert (await ready({"/api/v0/models": unknown, "/props": unknown, "/v1/models": PLAIN})).id == "smol.gguf"


@pytest.mark.parametrize(
    "replies",
    [
        {"/api/v0/models": {"data": [{"id": "other", "type": "llm", "state": "not-loaded"}]}},
        {"/v1/models": {"data": []}},
        {"/v1/models": {"data": None}},
        {"/v1/models": []},
    ],
)
async def test_nothing_loaded_is_one_sentence_with_the_next_step(replies: Mapping[str, Any]) -> None:
    with pytest.raises(SetupError, match="has no model loaded; load one there"):
        await ready(replies)


async def test_a_server_of_another_kind_is_one_sentence() -> None:
    with pytest.raises(SetupError, match="does not answer like LM Studio"):
        await ready({})


async def test_nothing_listens_is_one_sentence_with_the_next_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lmstudio, "OWN_PORT", 2)
    backend = LMStudioBackend(LMStudio(url="http://127.0.0.1:1/v1"), None, Deadlines())
    with pytest.raises(SetupError, match=r"nothing answers at http://127\.0\.0\.1:1/v1; start the server in LM Studio"):
        await backend.ready()
    await backend.aclose()


async def test_lm_studios_own_port_is_offered_when_it_answers_there(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(connection: Connection) -> None:
        await connection.send(whole(200, json.dumps(PLAIN).encode()))

    async with raw_upstream(play) as upstream:
        port = int(upstream.url.split(":")[2].split("/")[0])
        monkeypatch.setattr(lmstudio, "OWN_PORT", port)
        backend = LMStudioBackend(LMStudio(url="http://127.0.0.1:1/v1"), None, Deadlines())
        with pytest.raises(SetupError, match=rf"a server does at http://127.0.0.1:{port}/v1; set LMSTUDIO_URL="):
            await backend.ready()
        await backend.aclose()


@pytest.mark.parametrize(("kind", "parts"), [("vlm", ["text", "image_url"]), ("llm", None)])
async def test_a_model_without_eyes_is_sent_no_images(kind: str, parts: list[str] | None) -> None:
    """llama.cpp answers 500 to an image for a model that takes none."""
    source = {"type": "base64", "media_type": "image/png", "data": "iVBORw0K"}
    content = [{"type": "text", "text": "What is it?"}, {"type": "image", "source": source}]
    ask = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": content}]}

    async def play(connection: Connection) -> None:
        if connection.head.startswith("GET"):
            listed = {"data": [{"id": "eyes", "type": kind, "state": "loaded"}]}
            await connection.send(whole(200, json.dumps(listed).encode()))
        else:
            await connection.stream(finish(), "[DONE]")

    async with raw_upstream(play) as upstream:
        backend = LMStudioBackend(LMStudio(url=upstream.url), None, Deadlines())
        await backend.ready()
        async with backend.stream(ask, Caller()) as batches:
            assert [batch async for batch in batches]
        await backend.aclose()
    sent = upstream.requests[-1].json["messages"][-1]["content"]
    assert (parts is None) == isinstance(sent, str)
    if parts:
        assert [part["type"] for part in sent] == parts


async def test_what_is_loaded_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model is changed in LM Studio between two requests: the second is for the new one, and says so."""
    monkeypatch.setattr(lmstudio, "_FRESH", 0.0)
    loaded: dict[str, Any] = NATIVE["data"][2]
    asked: list[str] = []

    async def play(connection: Connection) -> None:
        if connection.head.startswith("GET /api/v0/models"):
            await connection.send(whole(200, json.dumps({"data": [loaded]}).encode(), Connection="close"))
            return
        asked.append(connection.json["model"])
        await connection.stream(finish(), "[DONE]")

    async with raw_upstream(play) as upstream:
        backend = LMStudioBackend(LMStudio(url=upstream.url), None, Deadlines())
        try:
            await backend.ready()
            await _ask(backend)
            loaded = {**loaded, "id": "glm-vision", "type": "vlm", "loaded_context_length": 8192}
            await _ask(backend)
            profile = backend.profile_of(None)
        finally:
            await backend.aclose()
    assert asked == ["qwen3-coder", "glm-vision"]
    assert (profile.images, profile.context_window) == (True, 8192)


async def _ask(backend: LMStudioBackend) -> None:
    request = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]}
    async with backend.stream(request, Caller()) as batches:
        async for _ in batches:
            pass


FULL: dict[str, Any] = {
    "model": "m",
    "max_tokens": 9,
    "thinking": {"type": "adaptive"},
    "output_config": {"effort": "high"},
    "tools": [{"name": "Bash"}],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is it?"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0K"}},
            ],
        }
    ],
}
NEWER: dict[str, Any] = {
    "models": [
        {"type": "embedding", "key": "embedder", "loaded_instances": [{"id": "embedder", "config": {}}]},
        {"type": "llm", "key": "qwen/qwen3-8b", "loaded_instances": [], "max_context_length": 40_960},
        {
            "type": "llm",
            "key": "google/gemma-4-26b-a4b",
            "loaded_instances": [{"id": "google/gemma-4-26b-a4b:2", "config": {"context_length": 4096}}],
            "max_context_length": 262_144,
            "capabilities": {"vision": True, "trained_for_tool_use": True},
        },
    ]
}
UNKNOWN = {"error": "Unexpected endpoint or method. (GET /api/v1/models). Returning 200 anyway"}


async def test_the_newer_list_tells_the_window_of_the_loaded_instance() -> None:
    """The older one knows only what the model could take where it does not say `loaded_context_length`."""
    gemma = ModelInfo("google/gemma-4-26b-a4b:2", 4096, True, images=True)
    assert await ready({"/api/v1/models": NEWER, "/api/v0/models": NATIVE}) == gemma
    later = ModelInfo("qwen/qwen3-8b", 40_960, None, None, lmstudio._NOT_LOADED)
    assert await ready({"/api/v1/models": NEWER}, "qwen/qwen3-8b") == later


async def test_a_version_without_the_newer_list_answers_200_to_it() -> None:
    replies = {"/api/v1/models": UNKNOWN, "/api/v0/models": NATIVE}
    assert (await ready(replies)).id == "qwen3-coder"


@pytest.mark.parametrize("odd", [{"models": None}, {"models": [{}]}, {"models": [{"type": "llm", "key": 1}]}, [], "x"])
async def test_a_newer_list_of_another_shape_is_none(odd: Any) -> None:
    assert (await ready({"/api/v1/models": odd, "/v1/models": PLAIN})).id == "smol.gguf"


async def test_nothing_loaded_in_the_newer_list() -> None:
    with pytest.raises(SetupError, match="has no model loaded"):
        await ready({"/api/v1/models": {"models": [NEWER["models"][1]]}})


SAID = {"*coder": ProfileChange(context_window=9000, tools=False, images=True)}


async def test_a_person_knows_window_tools_and_images_better() -> None:
    """Where the launch decides: a window of 9,000 tokens is too small for all tools, and none at all are wanted."""
    known = await ready({"/api/v0/models": NATIVE}, changes=SAID)
    assert known == ModelInfo("qwen3-coder", 9000, tools=False, images=True)
    assert "--tools" in fit((), known.context_window, known.tools).arguments
    small = await ready({"/api/v0/models": NATIVE}, changes={"qwen3-coder": ProfileChange(context_window=9000)})
    launch = fit((), small.context_window, small.tools)
    assert "the model's window is 9000 tokens" in (launch.note or "")
    with pytest.raises(SetupError, match="needs 2225 at the very least"):
        fit((), 2000, small.tools)


async def test_what_is_loaded_is_followed_with_what_is_known_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Family, server and person, for each model that is loaded in turn; a window that shrinks is said."""
    monkeypatch.setattr(lmstudio, "_FRESH", 0.0)
    changes = {"gpt-oss*": ProfileChange(efforts=("low",)), "qwen*": ProfileChange(images=True)}
    journal = Notes()
    async with OpenAIUpstream("qwen/qwen3-8b", 65_536, images=False) as upstream:
        upstream.script(*[reply(Says("ok"))] * 3)
        backend = LMStudioBackend(LMStudio(url=upstream.url), None, Deadlines(), changes)
        await backend.ready()
        for upstream.model, upstream.context_window in (
            ("qwen/qwen3-8b", 65_536),
            ("gpt-oss-20b", 8192),
            ("mistral-small", 8192),
        ):
            async with backend.stream(FULL, Caller(journal=journal)) as batches:
                assert [batch async for batch in batches]
        assert backend.profile_of(None).context_window == 8192
        await backend.aclose()
    first, second, third = (asked.body for asked in upstream.asked)
    assert [body["model"] for body in (first, second, third)] == ["qwen/qwen3-8b", "gpt-oss-20b", "mistral-small"]
    assert first["chat_template_kwargs"] == {"enable_thinking": True}
    assert (second["reasoning_effort"], "chat_template_kwargs" in second) == ("low", False)
    assert [isinstance(body["messages"][-1]["content"], list) for body in (first, second, third)] == [
        True,
        False,
        False,
    ]
    warnings = [facts["said"] for facts in journal.of("warning")]
    assert warnings == [
        "now loaded: gpt-oss-20b, window 8192; "
        "Claude Code was started for 65536, so load it with more context or start again",
        "now loaded: mistral-small, window 8192; "
        "Claude Code was started for 65536, so load it with more context or start again",
    ]


async def test_each_model_of_a_server_has_a_profile_of_its_own() -> None:
    """A tier on another model than the main one gets that model's abilities."""
    async with OpenAIUpstream("main") as upstream:
        upstream.listed = [{**NATIVE["data"][2], "id": "eyes", "type": "vlm"}, NATIVE["data"][1]]
        backend = LMStudioBackend(LMStudio(url=upstream.url), None, Deadlines())
        await backend.ready()
        eyes, other, unheard = (backend.profile_of(name) for name in ("eyes", "other", "unheard"))
        await backend.aclose()
    assert (eyes.images, eyes.context_window) == (True, 32768)
    assert (other.images, other.context_window) == (False, 4096)
    assert (unheard.images, unheard.context_window) == (True, None)


async def test_a_moment_without_a_model_does_not_end_the_following(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lmstudio, "_FRESH", 0.0)
    lists = [[{"id": "one", "context_length": 9000}], [], [{"id": "two", "context_length": 8000}]]
    listed: list[dict[str, Any]] = []

    async def play(connection: Connection) -> None:
        if connection.head.startswith("POST"):
            await connection.stream(finish(), "[DONE]")
            return
        found = connection.head.startswith("GET /v1/models")
        body = json.dumps({"data": listed}).encode()
        await connection.send(whole(200 if found else 404, body, Connection="close"))

    windows = []
    async with raw_upstream(play) as upstream:
        backend = LMStudioBackend(LMStudio(url=upstream.url), None, Deadlines())
        listed = lists[0]
        await backend.ready()
        for now in lists:
            listed = now
            await _ask(backend)
            windows.append(backend.profile_of(None).context_window)
        await backend.aclose()
    assert windows == [9000, 9000, 8000]
