"""What a person says of models, from the settings to the launch and to the wire, for each kind of backend."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from anyclaude.backends.base import Backend, Caller
from anyclaude.backends.node import NodeBackend
from anyclaude.backends.registry import open_backend, open_router
from anyclaude.config.model import Deadlines, Mode, ProfileChange, Settings
from anyclaude.config.upstreams import Backends, Discovery, LMStudio, MlxCluster, Node, OpenRouter
from anyclaude.wire.events import TextDelta
from tests.support.journal import Notes
from tests.support.openai_upstream import OpenAIUpstream
from tests.support.openrouter import KEY, MODEL, OpenRouterUpstream
from tests.support.raw_upstream import Connection, raw_upstream, whole
from tests.support.script import Fails, Says, reply
from tests.support.streams import delta, finish, text

ASK: dict[str, Any] = {
    "model": "m",
    "max_tokens": 9000,
    "tools": [{"name": "Bash"}],
    "stop_sequences": ["END"],
    "messages": [{"role": "user", "content": "Hi"}],
}
NAMES: dict[Mode, str] = {"lmstudio": "scripted-model", "mlx-cluster": "scripted-model", "openrouter": MODEL}


def settings_for(mode: Mode, url: str, home: Path, **profiles: ProfileChange) -> Settings:
    backends = Backends(
        lmstudio=LMStudio(url=url),
        openrouter=OpenRouter(url=url, api_key=SecretStr(KEY), model=MODEL),
        mlx_cluster=MlxCluster(discovery=Discovery(nodes=(Node(id="one", url=url),))),
    )
    return Settings(mode=mode, home=home, backends=backends, profiles=profiles)


@asynccontextmanager
async def opened(mode: Mode, home: Path, **profiles: ProfileChange) -> AsyncIterator[tuple[Backend, OpenAIUpstream]]:
    async with OpenRouterUpstream() if mode == "openrouter" else OpenAIUpstream() as upstream:
        backend = open_backend(mode, settings_for(mode, upstream.url, home, **profiles))
        try:
            yield backend, upstream
        finally:
            await backend.aclose()


async def ask(backend: Backend, journal: Notes | None = None) -> str:
    async with backend.stream(ASK, Caller(journal=journal or Notes())) as batches:
        events = [event async for batch in batches for event in batch]
    return "".join(event.text for event in events if isinstance(event, TextDelta))


@pytest.mark.parametrize("mode", list(NAMES))
async def test_the_persons_word_reaches_the_launch(mode: Mode, tmp_path: Path) -> None:
    change = ProfileChange(context_window=12_345, tools=False, images=True)
    async with opened(mode, tmp_path, **{NAMES[mode]: change}) as (backend, _):
        known = await backend.ready()
        assert (known.id, known.context_window, known.tools, known.images) == (NAMES[mode], 12_345, False, True)
        listed = {model.id: model.context_window for model in await backend.models()}
        assert listed[NAMES[mode]] == 12_345
    async with opened(mode, tmp_path) as (backend, _):
        assert (await backend.ready()).context_window != 12_345


@pytest.mark.parametrize("mode", list(NAMES))
async def test_the_persons_word_reaches_the_wire(mode: Mode, tmp_path: Path) -> None:
    change = ProfileChange(refused=("stop",), max_output=100, named_tool_choice=True)
    async with opened(mode, tmp_path, **{NAMES[mode]: change}) as (backend, upstream):
        upstream.script(reply(Says("ok")))
        await backend.ready()
        await ask(backend)
    assert upstream.asked[0].body["max_tokens"] == 100
    assert "stop" not in upstream.asked[0].body


async def test_it_reaches_the_main_model_through_the_router(tmp_path: Path) -> None:
    async with OpenAIUpstream() as upstream:
        settings = settings_for("lmstudio", upstream.url, tmp_path, **{"scripted-*": ProfileChange(tools=False)})
        router = open_router(settings)
        assert (await router.ready()).tools is False
        assert (await router.models())[0].tools is False
        await router.aclose()


@pytest.mark.parametrize("mode", list(NAMES))
async def test_a_refusal_inside_the_stream_is_learnt_once(mode: Mode, tmp_path: Path) -> None:
    async with opened(mode, tmp_path) as (backend, upstream):
        upstream.script(reply(Fails("Unsupported parameter: 'stop'")), reply(Says("one")), reply(Says("two")))
        await backend.ready()
        journal = Notes()
        assert (await ask(backend, journal), await ask(backend, journal)) == ("one", "two")
    assert ["stop" in asked.body for asked in upstream.asked] == [True, False, False]
    said = "the model server said: Unsupported parameter: 'stop'"
    assert journal.of("learnt") == [{"model": upstream.asked[0].body["model"], "refused": "stop", "said": said}]
    assert ["stop" in body for body in journal.bodies] == [True, False, False]
    usage = {"prompt_tokens": 100, "cached_tokens": 0, "output_tokens": 20, "cost": None}
    assert journal.of("usage") == [usage, usage]


async def test_two_requests_that_are_refused_at_once_are_both_sent_again() -> None:
    both = asyncio.Barrier(2)

    async def play(connection: Connection) -> None:
        if "stop" in connection.json:
            await both.wait()
            await connection.send(whole(400, b'{"error": "Unknown parameter: stop"}'))
        else:
            await connection.stream(text("ok"), finish(), "[DONE]")

    async with raw_upstream(play) as upstream:
        backend = NodeBackend(Node(id="one", url=upstream.url), None, Deadlines())
        journal = Notes()
        assert list(await asyncio.gather(ask(backend, journal), ask(backend, journal))) == ["ok", "ok"]
        await backend.aclose()
    assert (len(upstream.requests), len(journal.of("learnt"))) == (4, 1)


async def test_it_is_learnt_too_where_the_finish_says_error(tmp_path: Path) -> None:
    """OpenRouter: a chunk with both, after comments."""
    error = {"code": 400, "message": "Unsupported parameter: 'stop'"}

    async def play(connection: Connection) -> None:
        if "stop" in connection.json:
            await connection.stream("", {"error": error, **delta(finish="error", content="")}, end=False)
            await connection.gone()  # we hang up, and do not wait for the end of what has failed
        else:
            await connection.stream(text("ok"), finish(), "[DONE]")

    async with raw_upstream(play) as upstream:
        backend = open_backend("openrouter", settings_for("openrouter", upstream.url, tmp_path))
        assert await ask(backend) == "ok"
        await backend.aclose()
    assert len(upstream.requests) == 2


async def test_a_known_family_is_asked_in_its_own_way_whatever_serves_it(tmp_path: Path) -> None:
    ask_thinking = {**ASK, "thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}
    async with OpenAIUpstream("openai/gpt-oss-20b") as upstream:
        backend = open_backend("mlx-cluster", settings_for("mlx-cluster", upstream.url, tmp_path))
        upstream.script(reply(Says("ok")))
        await backend.ready()
        async with backend.stream(ask_thinking, Caller()) as batches:
            assert [batch async for batch in batches]
        await backend.aclose()
    assert (upstream.asked[0].body["model"], upstream.asked[0].body["reasoning_effort"]) == ("current-model", "high")
