"""Sampling on random weights, where every token is about as likely as any other."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.worker import Worker, real_worker

HI = [{"role": "user", "content": "hi"}]


@pytest.fixture(scope="module")
def worker(attention_model: Path) -> Iterator[Worker]:
    with real_worker(attention_model) as worker:
        yield worker


def said(worker: Worker, **fields: Any) -> str:
    message = worker.ask(HI, **{"max_tokens": 12, **fields})["choices"][0]["message"]
    return str(message["content"]) + str(message.get("reasoning_content"))


def test_a_seed_reproduces(worker: Worker) -> None:
    asked = {"temperature": 1.5, "top_p": 0.99, "top_k": 500, "min_p": 0.0001}
    first, second, other = (said(worker, **asked, seed=seed) for seed in (5, 5, 6))
    assert first == second != other


def test_a_seed_reproduces_in_a_batch(worker: Worker) -> None:
    """Beside others, with seeds, without and greedy ones, each joining and leaving when it likes."""
    asked = {"temperature": 1.2, "top_p": 0.95, "max_tokens": 40}
    alone = [said(worker, **asked, seed=seed) for seed in range(3)]
    assert len(set(alone)) == 3
    others: list[dict[str, Any]] = [
        {**asked, "temperature": None},
        {**asked, "temperature": 0, "max_tokens": 15},
        {**asked, "seed": 99},
    ]
    with ThreadPoolExecutor(6) as pool:
        asking = [pool.submit(said, worker, **fields) for fields in others]
        together = [pool.submit(said, worker, **asked, seed=seed) for seed in range(3)]
        assert [one.result() for one in together] == alone
        assert asking[2].result() not in alone


def test_without_a_seed_answers_differ(worker: Worker) -> None:
    assert len({said(worker, temperature=1.5) for _ in range(4)}) > 1


@pytest.mark.parametrize("penalty", [{"presence_penalty": 2.0}, {"frequency_penalty": 2.0}, {"repetition_penalty": 5}])
def test_penalties_change_the_answer(worker: Worker, penalty: dict[str, float]) -> None:
    assert said(worker, max_tokens=40, **penalty) != said(worker, max_tokens=40)


def test_the_default_temperature_is_openais(worker: Worker) -> None:
    assert len({said(worker, temperature=None) for _ in range(4)}) > 1
