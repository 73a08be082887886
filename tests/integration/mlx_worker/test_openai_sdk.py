"""The official openai SDK against the real worker: what it asks for, what it reads, and which errors it raises."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import openai
import pytest
from openai.types.chat import ChatCompletion
from pydantic import BaseModel, SecretStr

from mlx_worker.settings import Settings
from tests.support.filler import filler
from tests.support.tiny_model import WEATHER_TOOL
from tests.support.worker import Worker, real_worker

HELLO = "Hello! How can I help you today?"
MODEL = "current-model"
TOOLS: Any = [WEATHER_TOOL]


def user(text: str) -> Any:
    return [{"role": "user", "content": text}]


class Weather(BaseModel):
    city: Literal["Paris", "Rome"]
    warm: bool


@pytest.fixture(scope="module")
def worker(trained_model: Path) -> Iterator[Worker]:
    with real_worker(trained_model, max_queue=1, max_batch=2) as worker:
        yield worker


@pytest.fixture
def sdk(worker: Worker) -> Iterator[openai.OpenAI]:
    with client_of(worker) as client:
        yield client


def client_of(worker: Worker, key: str = "none") -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{worker.url}/v1", api_key=key, max_retries=0)


def asked(sdk: openai.OpenAI, text: str = "hi", **fields: Any) -> ChatCompletion:
    fields = {"model": MODEL, "temperature": 0, **fields}
    answer: ChatCompletion = sdk.chat.completions.create(messages=user(text), **fields)
    return answer


# -- answers ------------------------------------------------------------------------------------------------------


def test_a_whole_answer(sdk: openai.OpenAI) -> None:
    answer = asked(sdk)
    assert answer.choices[0].message.content == HELLO
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


@pytest.mark.parametrize("options", [{}, {"stream_options": {"include_usage": True}}])
def test_a_stream(sdk: openai.OpenAI, options: dict[str, Any]) -> None:
    chunks = list(sdk.chat.completions.create(model=MODEL, messages=user("hi"), temperature=0, stream=True, **options))
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text == HELLO
    assert [bool(chunk.usage) for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert len({chunk.id for chunk in chunks}) == 1


async def test_the_async_client(worker: Worker) -> None:
    async with openai.AsyncOpenAI(base_url=f"{worker.url}/v1", api_key="none", max_retries=0) as client:
        answer = await client.chat.completions.create(model=MODEL, messages=user("hi"), temperature=0)
    assert answer.choices[0].message.content == HELLO


@pytest.mark.parametrize("choice", ["auto", "required", {"type": "function", "function": {"name": "get_weather"}}])
@pytest.mark.parametrize("parallel", [True, False])
def test_tools(sdk: openai.OpenAI, choice: Any, parallel: bool) -> None:
    answer = asked(sdk, "weather in Paris", tools=TOOLS, tool_choice=choice, parallel_tool_calls=parallel)
    (call,) = answer.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", {"city": "Paris"})
    assert answer.choices[0].finish_reason == "tool_calls"


def test_a_call_that_the_model_would_not_make_is_made_when_it_is_required(sdk: openai.OpenAI) -> None:
    answer = asked(sdk, "hi", tools=TOOLS, tool_choice="required", parallel_tool_calls=False, max_tokens=200)
    calls = answer.choices[0].message.tool_calls or []
    assert [call.function.name for call in calls if call.type == "function"] == ["get_weather"]


@pytest.mark.parametrize(("mode", "question"), [("auto", "weather in Paris"), ("required", "hi")])
def test_only_some_of_the_tools_may_be_called(sdk: openai.OpenAI, mode: str, question: str) -> None:
    """The model knows but the weather; where it may not call that, it calls another."""
    other = {"type": "function", "function": {"name": "book", "parameters": {"type": "object", "properties": {}}}}
    allowed = {"type": "function", "function": {"name": "book"}}
    choice: Any = {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": [allowed]}}
    fields = {"tools": [*TOOLS, other], "tool_choice": choice, "parallel_tool_calls": False, "max_tokens": 200}
    calls = asked(sdk, question, **fields).choices[0].message.tool_calls or []
    assert {call.function.name for call in calls if call.type == "function"} <= {"book"}
    assert calls or mode == "auto"


def test_tools_that_are_hidden_are_not_called(sdk: openai.OpenAI) -> None:
    assert asked(sdk, tools=TOOLS, tool_choice="none").choices[0].message.tool_calls is None


def test_streamed_tool_calls(sdk: openai.OpenAI) -> None:
    with sdk.chat.completions.stream(
        model=MODEL, messages=user("weather in Paris"), tools=TOOLS, temperature=0
    ) as stream:
        final = stream.get_final_completion()
    (call,) = final.choices[0].message.tool_calls or []
    assert json.loads(call.function.arguments) == {"city": "Paris"}


def no_thinking(worker: Worker) -> Any:
    """A grammar leaves the model free to think first, and a tiny one that begins may never end."""
    assert worker.engine._loop.runner is not None
    return {str(worker.engine._loop.runner.chat.encode("<think>")[0]): -100}


@pytest.mark.parametrize("question", ["weather in Paris", "hi"])
def test_an_answer_of_a_schema_is_parsed_by_the_sdk(sdk: openai.OpenAI, worker: Worker, question: str) -> None:
    answer = sdk.chat.completions.parse(
        model=MODEL,
        messages=user(question),
        response_format=Weather,
        temperature=0,
        max_tokens=200,
        logit_bias=no_thinking(worker),
    )
    parsed = answer.choices[0].message.parsed
    assert isinstance(parsed, Weather)
    assert parsed.city in ("Paris", "Rome")


def test_a_json_object(sdk: openai.OpenAI, worker: Worker) -> None:
    """A tiny model may run on inside a string until it is cut; what comes begins an object in any case."""
    wanted: Any = {"type": "json_object"}
    answer = asked(sdk, response_format=wanted, max_tokens=60, logit_bias=no_thinking(worker))
    text = answer.choices[0].message.content or ""
    assert text.lstrip().startswith("{")
    if answer.choices[0].finish_reason == "stop":
        assert isinstance(json.loads(text), dict)


def test_log_probabilities(sdk: openai.OpenAI) -> None:
    answer = asked(sdk, logprobs=True, top_logprobs=3)
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    assert "".join(token.token for token in logprobs.content).startswith(HELLO)
    for token in logprobs.content:
        assert len(token.top_logprobs) == 3
        assert token.logprob == max(other.logprob for other in token.top_logprobs)
        assert bytes(token.bytes or []).decode() == token.token
    streamed = list(
        sdk.chat.completions.create(model=MODEL, messages=user("hi"), temperature=0, stream=True, logprobs=True)
    )
    pieces = [choice.logprobs.content for chunk in streamed for choice in chunk.choices if choice.logprobs]
    assert [token.token for piece in pieces for token in piece or []] == [token.token for token in logprobs.content]


def test_a_bias_bans_a_token(sdk: openai.OpenAI, worker: Worker) -> None:
    assert worker.engine._loop.runner is not None
    (first, *_) = worker.engine._loop.runner.chat.encode(HELLO)
    assert not (asked(sdk, logit_bias={str(first): -100}).choices[0].message.content or "").startswith("H")


def test_limits_and_stops(sdk: openai.OpenAI) -> None:
    assert asked(sdk, max_completion_tokens=3).choices[0].finish_reason == "length"
    assert asked(sdk, stop=["How"]).choices[0].message.content == "Hello! "


def test_a_seed_reproduces(sdk: openai.OpenAI) -> None:
    texts = {asked(sdk, temperature=2, seed=7, max_tokens=20).choices[0].message.content for _ in range(2)}
    assert len(texts) == 1


def test_models(sdk: openai.OpenAI) -> None:
    assert [model.id for model in sdk.models.list()] == ["trained"]
    assert sdk.models.retrieve("trained").owned_by == "mlx_worker"
    with pytest.raises(openai.NotFoundError):
        sdk.models.retrieve("gpt-4")


# -- errors -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": 5}, "temperature"),
        ({"n": 2}, "n"),
        ({"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "other"}}}, None),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "objct"}}}},
            "response_format.json_schema.schema",
        ),
        ({"logit_bias": {"99999999": 1}}, "logit_bias"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_bad_requests(sdk: openai.OpenAI, fields: dict[str, Any], param: str | None, stream: bool) -> None:
    with pytest.raises(openai.BadRequestError) as error:
        asked(sdk, stream=stream, **fields)
    assert (error.value.type, error.value.param) == ("invalid_request_error", param)


@pytest.mark.parametrize("words", [200, 5000])
def test_a_prompt_over_the_context(small_context_model: Path, words: int) -> None:
    """The longer one is not even tokenised."""
    with (
        real_worker(small_context_model) as worker,
        client_of(worker) as sdk,
        pytest.raises(openai.BadRequestError) as error,
    ):
        asked(sdk, filler(words, "over"))
    assert error.value.code == "context_length_exceeded"
    assert isinstance(error.value.body, dict)
    assert error.value.body["n_prompt_tokens"] > error.value.body["n_ctx"] == 100


def test_a_model_that_is_not_served(sdk: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as error:
        asked(sdk, model="gpt-4")
    assert error.value.code == "model_not_found"


def test_a_full_queue(worker: Worker) -> None:
    """One is answered, one waits, and there is no room for a third."""
    worker.engine.steps = threading.Semaphore(0)
    with ThreadPoolExecutor(2) as pool, client_of(worker) as one, client_of(worker) as two, client_of(worker) as three:
        answers = [pool.submit(asked, one, max_tokens=5)]
        worker.until(lambda status: status.active == 1)
        answers.append(pool.submit(asked, two, max_tokens=5))
        worker.until(lambda status: status.waiting == 1)
        try:
            with pytest.raises(openai.RateLimitError) as error:
                asked(three)
        finally:
            worker.engine.steps.release(1000)
        assert all(answer.result(30).usage for answer in answers)
    worker.engine.steps = None
    assert int(error.value.response.headers["retry-after"]) > 0
    assert error.value.code == "queue_full"


def test_a_worker_that_leaves(attention_model: Path) -> None:
    with real_worker(attention_model) as worker, client_of(worker) as sdk:
        worker.engine.drain()
        with pytest.raises(openai.InternalServerError) as error:
            asked(sdk)
        assert error.value.status_code == 503
        assert error.value.response.headers["retry-after"]


def test_a_wrong_key(attention_model: Path) -> None:
    settings = Settings(token=SecretStr("secret"))
    with real_worker(attention_model, settings=settings) as worker:
        with client_of(worker, "wrong") as sdk, pytest.raises(openai.AuthenticationError):
            asked(sdk)
        with client_of(worker, "secret") as sdk:
            assert asked(sdk, max_tokens=2).choices
