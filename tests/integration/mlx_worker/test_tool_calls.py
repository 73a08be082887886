"""Tool calls and shaped answers over the API, on a model that knows one call and on one that knows nothing."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jsonschema
import openai
import pytest

from tests.support.tiny_model import WEATHER_TOOL
from tests.support.worker import Worker, real_worker

HI = [{"role": "user", "content": "hi"}]
WEATHER = [{"role": "user", "content": "weather in Paris"}]
SEATS = {
    "type": "object",
    "properties": {"class": {"enum": ["first", "second"]}, "seats": {"type": "integer", "minimum": 1, "maximum": 9}},
    "required": ["class", "seats"],
    "additionalProperties": False,
}
SEATS_TOOL = {"type": "function", "function": {"name": "book", "parameters": SEATS}}
NO_THINKING: dict[str, Any] = {"logit_bias": {"1018": -100}}
"""The token that opens the thinking, which a model of random weights never ends."""


@pytest.fixture(scope="module")
def worker(trained_model: Path) -> Iterator[Worker]:
    with real_worker(trained_model) as worker:
        yield worker


@pytest.fixture(scope="module")
def clueless(attention_model: Path) -> Iterator[Worker]:
    with real_worker(attention_model) as worker:
        yield worker


def chunks(worker: Worker, messages: Any, **fields: Any) -> list[dict[str, Any]]:
    body = {"messages": messages, "stream": True, "temperature": 0, **fields}
    with worker.client() as client, client.stream("POST", "/v1/chat/completions", json=body) as answer:
        lines = [line.removeprefix("data: ") for line in answer.iter_lines() if line.startswith("data: {")]
    return [json.loads(line) for line in lines]


def calls_of(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    deltas = [choice["delta"] for part in parts for choice in part["choices"]]
    return [call["function"] for delta in deltas for call in delta.get("tool_calls", ())]


def test_a_call_streams_its_name_first_and_its_arguments_as_they_are_written(worker: Worker) -> None:
    first, *pieces = calls_of(chunks(worker, WEATHER, tools=[WEATHER_TOOL]))
    assert first == {"name": "get_weather", "arguments": ""}
    assert len(pieces) > 2
    assert json.loads("".join(piece["arguments"] for piece in pieces)) == {"city": "Paris"}


def test_the_grammar_leaves_alone_what_needs_none(worker: Worker) -> None:
    answer = worker.ask(HI, tools=[WEATHER_TOOL], parallel_tool_calls=False)["choices"][0]
    assert (answer["message"]["content"], answer["finish_reason"]) == ("Hello! How can I help you today?", "stop")


def test_a_model_that_would_talk_calls_when_it_must(worker: Worker) -> None:
    for choice in ("required", {"type": "function", "function": {"name": "get_weather"}}):
        answer = worker.ask(HI, tools=[WEATHER_TOOL], tool_choice=choice, max_tokens=200)["choices"][0]
        assert answer["message"]["tool_calls"][0]["function"]["name"] == "get_weather"
        assert answer["message"]["content"] is None


def test_a_named_tool_on_a_model_that_knows_nothing(clueless: Worker) -> None:
    fields = {"tools": [WEATHER_TOOL, SEATS_TOOL], "tool_choice": {"type": "function", "function": {"name": "book"}}}
    answer = clueless.ask(HI, **fields, parallel_tool_calls=False, temperature=1, **NO_THINKING)["choices"][0]
    (call,) = answer["message"]["tool_calls"]
    jsonschema.validate(json.loads(call["function"]["arguments"]), SEATS)
    assert answer["finish_reason"] == "tool_calls"


def test_a_response_format_as_the_openai_sdk_asks_for_it(clueless: Worker) -> None:
    wanted: Any = {"type": "json_schema", "json_schema": {"name": "seats", "schema": SEATS, "strict": True}}
    with openai.OpenAI(base_url=f"{clueless.url}/v1", api_key="none", max_retries=0) as client:
        answer = client.chat.completions.create(
            model="current-model", messages=[{"role": "user", "content": "hi"}], response_format=wanted, **NO_THINKING
        )
    jsonschema.validate(json.loads(answer.choices[0].message.content or ""), SEATS)
    assert answer.choices[0].finish_reason == "stop"


def test_many_at_once_some_held_and_some_free(clueless: Worker) -> None:
    def ask(number: int) -> Any:
        if number % 3 == 0:
            return clueless.ask(HI, temperature=1, max_tokens=20)
        fields = {"tools": [SEATS_TOOL], "tool_choice": "required", "parallel_tool_calls": False}
        return clueless.ask(HI, temperature=1, seed=number, **fields, **NO_THINKING)

    with ThreadPoolExecutor(12) as pool:
        answers = [answer["choices"][0] for answer in pool.map(ask, range(12))]
    for number, answer in enumerate(answers):
        if number % 3:
            jsonschema.validate(json.loads(answer["message"]["tool_calls"][0]["function"]["arguments"]), SEATS)
        else:
            assert answer["finish_reason"] in ("length", "stop")


def test_log_probabilities_come_with_the_text(worker: Worker) -> None:
    choice = worker.ask(HI, logprobs=True, top_logprobs=2)["choices"][0]
    content = choice["logprobs"]["content"]
    assert "".join(one["token"] for one in content) == "Hello! How can I help you today?"
    assert all(one["top_logprobs"][0]["token"] == one["token"] for one in content)
    assert all(-0.5 < one["logprob"] <= 0 for one in content)
