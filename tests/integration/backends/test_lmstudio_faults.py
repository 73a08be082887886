"""The faults of LM Studio's versions, each played in the shape in which it was reported: docs/guides/lmstudio.md."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import pytest

from anyclaude.backends.base import Caller
from anyclaude.backends.lmstudio import LMStudioBackend
from anyclaude.backends.router import alone
from anyclaude.config.model import Deadlines, ProfileChange
from anyclaude.config.upstreams import LMStudio
from anyclaude.errors import AnyclaudeError, PromptTooLong, UpstreamBroken
from anyclaude.wire.events import Finished, ModelEvent, TextDelta, ThinkingDelta, ToolCallStart, UsageReport
from tests.support.journal import Notes
from tests.support.openai_upstream import Line, OpenAIUpstream
from tests.support.raw_upstream import Connection, raw_upstream
from tests.support.script import Calls, Fails, Refusal, Reply, Says, Thinks, Usage, calls, reply
from tests.support.streams import finish

PIXEL = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0K"}}
SCHEMA = {"type": "object", "properties": {"script": {"type": "string", "maxLength": 2000}}}
ASK: dict[str, Any] = {
    "model": "m",
    "max_tokens": 40,
    "top_k": 5,
    "tools": [{"name": "Workflow", "input_schema": SCHEMA}, {"name": "Bash"}],
    "messages": [{"role": "user", "content": "Hi"}],
}
GRAMMAR = (
    'Engine protocol predict request returned 400: {"error":{"code":400,"message":"Failed to initialize samplers: '
    'failed to parse grammar","type":"invalid_request_error"}}'
)


@asynccontextmanager
async def played(
    *lines: Line, window: int = 8192, changes: Mapping[str, ProfileChange] | None = None
) -> AsyncIterator[tuple[LMStudioBackend, OpenAIUpstream]]:
    """A backend that has asked what is loaded, before an upstream with this script."""
    async with OpenAIUpstream(context_window=window) as upstream:
        upstream.script(*lines)
        backend = LMStudioBackend(LMStudio(url=upstream.url), None, Deadlines(), changes or {})
        try:
            await backend.ready()
            yield backend, upstream
        finally:
            await backend.aclose()


async def answer(backend: LMStudioBackend, journal: Notes | None = None, **fields: Any) -> list[ModelEvent]:
    async with alone(backend).stream({**ASK, **fields}, Caller(journal=journal or Notes())) as batches:
        return [event async for batch in batches for event in batch]


OVERFLOWS = [
    "The number of tokens to keep from the initial prompt is greater than the context length (n_keep: 13055>= n_ctx: "
    "4096). Try to load the model with a larger context length, or provide a shorter input.",
    "Cannot truncate prompt with n_keep (15028) >= n_ctx (7424)",
    "Trying to keep the first 111490 tokens when context the overflows. However, the model is loaded with context "
    "length of only 32768 tokens, which is not enough.",
    "Context size has been exceeded",
    "Reached context length of 32000 tokens with model (arch: gpt-oss) that does not currently support mid-generation "
    "context overflow. Try reloading with a larger context length or shortening the prompt/chat.",
]


@pytest.mark.parametrize("words", OVERFLOWS)
@pytest.mark.parametrize("shape", ["status, plain", "status, object", "stream, plain", "stream, object"])
async def test_a_prompt_that_does_not_fit_in_all_its_words_and_shapes(words: str, shape: str) -> None:
    """By status (0.3 and 0.4), and inside an accepted stream (bug-tracker#2322)."""
    inside = {"message": words, "type": "invalid_request_error", "param": None, "code": None}
    lines: dict[str, Line] = {
        "status, plain": Refusal(400, words, plain=True),
        "status, object": Refusal(400, words),
        "stream, plain": reply(Fails(words)),
        "stream, object": reply(Fails(inside)),
    }
    async with played(lines[shape]) as (backend, _):
        with pytest.raises(PromptTooLong):
            await answer(backend)


@pytest.mark.parametrize("usage", [Usage(prompt=36_000, cached=None, completion=0), Usage(prompt=32_768, completion=0)])
async def test_an_empty_answer_to_a_prompt_that_does_not_fit(usage: Usage) -> None:
    """GGUF: 200, a well-formed stream, no delta, no error (bug-tracker#2339)."""
    async with played(reply(usage=usage), window=32_768) as (backend, _):
        with pytest.raises(PromptTooLong, match=f"{usage.prompt} tokens > 32768 maximum"):
            await answer(backend)


async def test_an_empty_answer_without_counts_is_measured_by_the_estimate() -> None:
    async def play(connection: Connection) -> None:
        await connection.stream(finish(), "[DONE]")

    async with raw_upstream(play) as upstream:
        for window, kind in ((10, PromptTooLong), (100_000, None)):
            changes = {"current-model": ProfileChange(context_window=window)}
            backend = LMStudioBackend(LMStudio(url=upstream.url), None, Deadlines(), changes)
            with pytest.raises(kind) if kind else nullcontext():
                assert await answer(backend) == [Finished("end_turn")]
            await backend.aclose()


async def test_an_empty_answer_to_a_prompt_that_fits_is_an_answer() -> None:
    usage = Usage(prompt=32_000, cached=None, completion=0)
    async with played(reply(usage=usage), window=32_768) as (backend, _):
        assert await answer(backend) == [UsageReport(32_000, None, 0), Finished("end_turn")]


async def test_the_window_that_a_person_names_counts_for_it_too() -> None:
    changes = {"scripted-*": ProfileChange(context_window=90)}
    async with played(reply(usage=Usage(prompt=100)), window=32_768, changes=changes) as (backend, _):
        with pytest.raises(PromptTooLong, match="100 tokens > 90 maximum"):
            await answer(backend)


async def test_a_named_tool_choice_is_never_an_object() -> None:
    """400 "Invalid tool_choice type: 'object'" in every version (bug-tracker#670)."""
    async with played(reply(calls("Bash"))) as (backend, upstream):
        await answer(backend, tool_choice={"type": "tool", "name": "Bash"})
    asked = upstream.asked[0]
    assert (asked.body["tool_choice"], asked.tool_names) == ("required", ["Bash"])


@pytest.mark.parametrize(
    "refusal",
    [
        Refusal(400, GRAMMAR),
        Refusal(500, GRAMMAR, plain=True),
        reply(Fails(GRAMMAR)),
        reply(Fails({"message": GRAMMAR})),
    ],
    ids=["400", "500, plain", "stream, plain", "stream, object"],
)
async def test_a_grammar_that_cannot_hold_the_schemas(refusal: Refusal | Reply) -> None:
    """0.4.20 refuses all of Claude Code's tools for the bounds of one (bug-tracker#2220, #2236); learnt once."""
    journal = Notes()
    async with played(refusal, reply(Says("a")), reply(Says("b"))) as (backend, upstream):
        assert TextDelta("a") in await answer(backend, journal)
        assert TextDelta("b") in await answer(backend, journal)
    properties = [asked.body["tools"][0]["function"]["parameters"]["properties"] for asked in upstream.asked]
    assert properties == [SCHEMA["properties"], {"script": {"type": "string"}}, {"script": {"type": "string"}}]
    (learnt,) = journal.of("learnt")
    assert (learnt["model"], learnt["refused"]) == ("scripted-model", "tool schemas")
    assert "failed to parse grammar" in learnt["said"]
    assert [len(body["tools"]) for body in journal.bodies] == [2, 2, 2]


@pytest.mark.parametrize("shape", ["status", "stream"])
@pytest.mark.parametrize(
    "words",
    [
        "Model does not support images. Please use a model that does.",
        "The model has crashed without additional information. (Exit code: null)",
    ],
)
async def test_a_model_that_takes_no_images_is_told_what_they_were(shape: str, words: str) -> None:
    """0.3.8 to 0.3.30 refuse images for models that LM Studio itself lists as seeing (bug-tracker#362, #908).

    0.4.9 crashes on them (bug-tracker#1755).
    """
    line: Line = Refusal(400, words, plain=True) if shape == "status" else reply(Fails(words))
    content = [{"type": "text", "text": "What is it?"}, PIXEL]
    async with played(line, reply(Says("ok"))) as (backend, upstream):
        await answer(backend, messages=[{"role": "user", "content": content}])
    first, second = (asked.messages[-1]["content"] for asked in upstream.asked)
    assert [part["type"] for part in first] == ["text", "image_url"]
    assert isinstance(second, str)


async def test_an_image_in_a_result_stands_outside_of_it() -> None:
    """LM Studio refuses an image inside a tool result, whatever the model (bug-tracker#1590, #1878)."""
    history = [
        {"role": "user", "content": "Look"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "Read", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": [PIXEL]}]},
    ]
    async with played(reply(Says("ok"))) as (backend, upstream):
        await answer(backend, messages=history)
    result, picture = upstream.asked[0].messages[-2:]
    assert (result["role"], isinstance(result["content"], str)) == ("tool", True)
    assert "image_url" in [part["type"] for part in picture["content"]]


async def test_ids_that_come_again_are_made_new() -> None:
    """Ids are numbers of nine digits, drawn at random."""
    used = {"type": "tool_use", "id": "365174485", "name": "Bash", "input": {}}
    back = {"type": "tool_result", "tool_use_id": "365174485", "content": "x"}
    history = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": [used]},
        {"role": "user", "content": [back]},
    ]
    line = reply(Calls("Bash", "{}", id="365174485"), Calls("Bash", "{}", id="814890118"))
    async with played(line) as (backend, upstream):
        events = await answer(backend, messages=history)
    ids = [event.id for event in events if isinstance(event, ToolCallStart)]
    assert ids[0].startswith("toolu_")
    assert ids[1] == "814890118"
    assert upstream.asked[0].messages[1]["tool_calls"][0]["id"] == "365174485"


async def test_counts_without_cached_tokens_and_one_too_few() -> None:
    """`prompt_tokens_details` is missing (bug-tracker#778); a cut answer counts max_tokens-1 (bug-tracker#2335)."""
    journal = Notes()
    line = reply(Says("Hi"), finish="length", usage=Usage(prompt=17_433, cached=None, completion=39))
    async with played(line, window=32_768) as (backend, _):
        events = await answer(backend, journal)
    assert events[-2:] == [UsageReport(17_433, None, 39), Finished("max_tokens")]
    assert journal.of("usage") == [{"prompt_tokens": 17_433, "cached_tokens": None, "output_tokens": 39, "cost": None}]
    assert journal.moments == ["accepted"]


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
async def test_both_names_of_thinking(field: str) -> None:
    """`reasoning_content` since 0.3.9, `reasoning` for gpt-oss since 0.3.23."""
    async with played(reply(Thinks("Hm.", field=field), Says("ok"))) as (backend, _):
        events = await answer(backend)
    assert "".join(event.text for event in events if isinstance(event, ThinkingDelta)) == "Hm."


NO_MODEL = "No models loaded. Please load a model in the developer page or use the 'lms load' command."


async def test_a_model_that_was_taken_away_is_told_with_the_next_step() -> None:
    """With just-in-time loading off (bug-tracker#1730)."""
    async with played(Refusal(404, NO_MODEL)) as (backend, _):
        with pytest.raises(AnyclaudeError, match="use the 'lms load' command") as caught:
            await answer(backend)
    assert 400 <= caught.value.status < 500


GONE = [
    "Model is unloaded.",
    "The model has crashed without additional information. (Exit code: 18446744072635812000)",
    "Channel Error",
    'Failed to load model "qwen/qwen3-coder-30b". Error: Operation canceled.',
]


@pytest.mark.parametrize("words", GONE)
@pytest.mark.parametrize("shape", ["status", "stream"])
async def test_a_model_that_is_gone_is_worth_another_try(words: str, shape: str) -> None:
    """LM Studio loads it again for the next request; Claude Code repeats after a 5xx by itself, and not after a 4xx."""
    line: Line = Refusal(400, words, plain=True) if shape == "status" else reply(Fails(words))
    async with played(line) as (backend, _):
        with pytest.raises(UpstreamBroken, match="LM Studio loads it again"):
            await answer(backend)


async def test_an_error_after_the_first_word_is_not_learnt_from() -> None:
    """The client has seen the word, so nothing is asked again."""
    async with played(reply(Says("Hi"), Fails("Unsupported parameter: 'top_k'"))) as (backend, upstream):
        events = await answer(backend)
    assert TextDelta("Hi") in events or any(isinstance(event, TextDelta) for event in events)
    assert type(events[-1]).__name__ == "Failed"
    assert len(upstream.asked) == 1


async def test_a_server_that_refuses_and_refuses_is_not_asked_for_ever() -> None:
    names = ["top_k", "cache_prompt", "max_tokens", "max_completion_tokens", "stream_options"]
    lines = [reply(Fails(f"Unknown parameter: '{name}'")) for name in names]
    async with played(*lines) as (backend, upstream):
        with pytest.raises(UpstreamBroken, match="stream_options"):
            await answer(backend)
    assert len(upstream.asked) == 5
