"""The cache seen from outside, on real models: warmed, listed, counted, emptied."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from anyclaude.wire.prefix import prefix_hash
from tests.support.filler import filler
from tests.support.tiny_model import WEATHER_TOOL
from tests.support.worker import DEADLINE, Worker, real_worker

SYSTEM = filler(60, "system")
NAME = prefix_hash(SYSTEM, [WEATHER_TOOL])
HEAD: dict[str, Any] = {"tools": [WEATHER_TOOL]}


@pytest.fixture(params=["attention_model", "hybrid_model", "window_model"])
def worker(request: pytest.FixtureRequest) -> Iterator[Worker]:
    with real_worker(request.getfixturevalue(request.param)) as worker:
        yield worker


def conversation(*said: str) -> list[dict[str, str]]:
    roles = ("user", "assistant")
    turns = [{"role": roles[place % 2], "content": text} for place, text in enumerate(said)]
    return [{"role": "system", "content": SYSTEM}, *turns]


def sent(worker: Worker, method: str, path: str, body: Any = None, **headers: str) -> Any:
    with worker.client() as client:
        answer = client.request(method, path, json=body, headers=headers)
    assert answer.is_success, answer.text
    return answer.json()


def until(reached: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(int(DEADLINE * 50)):
        if reached():
            return
        pause.wait(0.02)
    raise AssertionError("never reached")


def cached(answer: Any) -> int:
    return int(answer["usage"]["prompt_tokens_details"]["cached_tokens"])


def test_a_warmed_system_prompt_is_there_for_the_first_request(worker: Worker) -> None:
    warm = {"systemPrompt": SYSTEM, **HEAD}
    first = sent(worker, "POST", "/cache/warm", warm)
    assert (first["status"], first["system_hash"]) == ("warming", NAME)
    until(lambda: sent(worker, "POST", "/cache/warm", warm)["cached"])
    assert sent(worker, "POST", "/cache/warm", warm) == first | {
        "status": "cached",
        "cached": True,
        "cached_tokens": first["tokens"],
    }
    answer = worker.ask(conversation("hi"), max_tokens=2, **HEAD)
    assert cached(answer) == first["tokens"]
    until(lambda: sent(worker, "GET", "/health")["cache"]["systemPromptHash"] == NAME)


def test_a_warmed_conversation_is_there_for_the_next_turn(worker: Worker) -> None:
    turns = conversation("hi", "hello", "and now")
    warmed = sent(worker, "POST", "/cache/warm", {"messages": turns, **HEAD})
    until(lambda: sent(worker, "POST", "/cache/warm", {"messages": turns, **HEAD})["cached"])
    assert cached(worker.ask(turns, max_tokens=2, **HEAD)) == warmed["tokens"]


def test_what_a_request_leaves_is_listed_under_its_session(worker: Worker) -> None:
    body = {"messages": conversation("hi"), "max_tokens": 2, **HEAD}
    answer = sent(worker, "POST", "/v1/chat/completions", body, **{"X-Session-Id": "s/main"})
    until(lambda: len(sent(worker, "GET", "/cache")["entries"]) >= 2)
    report = sent(worker, "GET", "/cache")
    assert {entry["system_hash"] for entry in report["entries"]} == {NAME}
    assert {entry["session"] for entry in report["entries"]} <= {"s/main", None}
    assert any(entry["session"] == "s/main" for entry in report["entries"])
    assert report["bytes"] == sum(entry["bytes"] for entry in report["entries"]) > 0
    assert report["prompt_tokens"] == answer["usage"]["prompt_tokens"]


def test_an_emptied_cache_computes_anew_and_answers_the_same(worker: Worker) -> None:
    asked = conversation("hi")
    first = worker.ask(asked, max_tokens=8, **HEAD)
    assert sent(worker, "DELETE", "/cache")["dropped"] > 0
    assert sent(worker, "GET", "/cache")["entries"] == []
    again = worker.ask(asked, max_tokens=8, **HEAD)
    assert cached(again) == 0
    assert again["choices"][0]["message"] == first["choices"][0]["message"]


def test_tokens_are_counted_as_they_are_computed(worker: Worker) -> None:
    asked = conversation("hi", "hello", "and now")
    counted = sent(worker, "POST", "/tokenize", {"messages": asked, **HEAD})["count"]
    assert counted == worker.ask(asked, max_tokens=1, **HEAD)["usage"]["prompt_tokens"]
    runner = worker.engine._loop.runner
    assert runner is not None
    text = "Hello, world! \u00e9"
    assert sent(worker, "POST", "/tokenize", {"text": text})["count"] == len(runner.chat.encode(text))


def test_metrics_of_a_real_engine(worker: Worker) -> None:
    worker.ask(conversation("hi"), max_tokens=3, **HEAD)
    with worker.client() as client:
        text = client.get("/metrics").text
    assert 'mlx_worker_requests_total{outcome="finished"} 1.0' in text
    assert "mlx_worker_generated_tokens_total 3.0" in text
