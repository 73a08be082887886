"""What the worker answers, on a model that knows its answers: whole, streamed, and as the openai SDK reads it."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import mlx_lm
import openai
import pytest

from tests.support.tiny_model import WEATHER_TOOL
from tests.support.worker import Worker, real_worker

HI = [{"role": "user", "content": "hi"}]
WEATHER = [{"role": "user", "content": "weather in Paris"}]
THINK = [{"role": "user", "content": "think"}]


@pytest.fixture(scope="module")
def worker(trained_model: Path) -> Iterator[Worker]:
    with real_worker(trained_model) as worker:
        yield worker


@pytest.fixture
def sdk(worker: Worker) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{worker.url}/v1", api_key="none", max_retries=0) as client:
        yield client


def message_of(answer: Any) -> dict[str, Any]:
    message: dict[str, Any] = answer["choices"][0]["message"]
    return message


def test_the_answer_is_the_one_that_mlx_lm_computes(worker: Worker, trained_model: Path) -> None:
    model, tokenizer = mlx_lm.load(str(trained_model))
    prompt = tokenizer.apply_chat_template(HI, add_generation_prompt=True)
    expected = mlx_lm.generate(model, tokenizer, prompt, max_tokens=50)
    answer = worker.ask(HI)
    assert message_of(answer)["content"] == expected == "Hello! How can I help you today?"
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["usage"]["prompt_tokens"] == len(prompt)


def test_a_tool_call(worker: Worker) -> None:
    choice = worker.ask(WEATHER, tools=[WEATHER_TOOL])["choices"][0]
    (call,) = choice["message"]["tool_calls"]
    assert (call["function"]["name"], json.loads(call["function"]["arguments"])) == ("get_weather", {"city": "Paris"})
    assert (choice["finish_reason"], choice["message"]["content"]) == ("tool_calls", None)


def test_a_tool_call_that_is_cut_comes_back_as_text(worker: Worker) -> None:
    choice = worker.ask(WEATHER, tools=[WEATHER_TOOL], max_tokens=5)["choices"][0]
    assert choice["finish_reason"] == "length"
    assert choice["message"]["content"].startswith("<tool_call>")
    assert "tool_calls" not in choice["message"]


def test_reasoning_is_split_off(worker: Worker) -> None:
    message = message_of(worker.ask(THINK))
    assert (message["reasoning_content"], message["content"]) == ("Let me see.", "Done thinking.")


def test_a_stop_string(worker: Worker) -> None:
    choice = worker.ask(HI, stop=["elp me", "elp you"])["choices"][0]
    assert choice["message"]["content"] == "Hello! How can I h"
    assert (choice["finish_reason"], choice["stop_reason"]) == ("stop", "elp you")


def test_max_tokens(worker: Worker) -> None:
    answer = worker.ask(HI, max_tokens=3)
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 3
    assert "Hello! How can I help you today?".startswith(message_of(answer)["content"])


def test_a_stream_says_what_it_computes_and_ends_with_usage(worker: Worker) -> None:
    body = {"messages": WEATHER, "tools": [WEATHER_TOOL], "temperature": 0, "stream": True}
    with worker.client() as client, client.stream("POST", "/v1/chat/completions", json=body) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in answer.iter_lines() if line]
    total = json.loads(lines[-2][6:])["usage"]["prompt_tokens"]
    assert lines[0].startswith(": prefill ")
    assert f": prefill {total - 1}/{total}" in lines
    assert lines[-1] == "data: [DONE]"


def test_several_at_once_get_the_answers_that_they_get_alone(worker: Worker) -> None:
    asked = [HI, THINK, WEATHER, HI, THINK, WEATHER]
    alone = [message_of(worker.ask(messages, tools=[WEATHER_TOOL])) for messages in asked]
    with ThreadPoolExecutor(len(asked)) as pool:
        together = list(pool.map(lambda messages: message_of(worker.ask(messages, tools=[WEATHER_TOOL])), asked))
    assert [_without_ids(message) for message in together] == [_without_ids(message) for message in alone]


def _without_ids(message: dict[str, Any]) -> dict[str, Any]:
    calls = [call["function"] for call in message.get("tool_calls", [])]
    return message | {"tool_calls": calls}


@pytest.mark.parametrize(
    "odd",
    [{"top_k": 10**9}, {"top_k": -1}, {"temperature": 1e-300}, {"temperature": 2, "min_p": 1.0}, {"seed": -(2**63)}],
)
def test_odd_numbers_do_not_break_the_batch(worker: Worker, odd: dict[str, Any]) -> None:
    worker.ask(HI, max_tokens=3, **{"temperature": 1, **odd})
    assert message_of(worker.ask(HI))["content"] == "Hello! How can I help you today?"


def test_special_tokens_and_long_letters_in_the_users_words(worker: Worker) -> None:
    worker.ask([{"role": "user", "content": "<|im_end|><think></tool_call> \u2028 \U0001f600 \x00"}], max_tokens=3)


def test_a_conversation_that_the_template_cannot_render_is_a_400(worker: Worker) -> None:
    """This template writes a call's name, and there is no call without a function."""
    with worker.client() as client:
        body = {"messages": [{"role": "assistant", "tool_calls": [{"id": "c"}]}]}
        assert client.post("/v1/chat/completions", json=body).status_code == 400


# -- the openai SDK -----------------------------------------------------------------------------------------------


def test_the_sdk_reads_a_whole_answer(sdk: openai.OpenAI) -> None:
    answer = sdk.chat.completions.create(model="current-model", messages=HI, temperature=0)  # type: ignore[arg-type]
    assert answer.choices[0].message.content == "Hello! How can I help you today?"
    assert answer.usage is not None
    assert answer.usage.prompt_tokens_details is not None
    assert answer.usage.prompt_tokens_details.cached_tokens is not None


def test_the_sdk_reads_a_stream_and_its_usage(sdk: openai.OpenAI) -> None:
    with sdk.chat.completions.stream(model="current-model", messages=HI, temperature=0) as stream:  # type: ignore[arg-type]
        text = "".join(event.delta for event in stream if event.type == "content.delta")
        final = stream.get_final_completion()
    assert text == final.choices[0].message.content == "Hello! How can I help you today?"
    assert final.usage is not None
    assert final.usage.completion_tokens > 5


def test_the_sdk_reads_streamed_tool_calls(sdk: openai.OpenAI) -> None:
    with sdk.chat.completions.stream(
        model="current-model",
        messages=WEATHER,  # type: ignore[arg-type]
        tools=[WEATHER_TOOL],  # type: ignore[list-item]
        temperature=0,
    ) as stream:
        final = stream.get_final_completion()
    assert final.choices[0].finish_reason == "tool_calls"
    assert final.choices[0].message.tool_calls is not None
    assert final.choices[0].message.tool_calls[0].function.arguments == '{"city": "Paris"}'


def test_the_sdk_raises_what_we_refuse(sdk: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="not served here"):
        sdk.chat.completions.create(model="gpt-4", messages=HI)  # type: ignore[arg-type]
    with pytest.raises(openai.BadRequestError, match="temperature"):
        sdk.chat.completions.create(model="current-model", messages=HI, temperature=5)  # type: ignore[arg-type]
    assert [model.id for model in sdk.models.list()] == ["trained"]
