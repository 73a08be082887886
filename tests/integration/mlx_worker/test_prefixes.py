"""What is computed twice: nothing that need not be. On three kinds of plain attention, recurrent layers and a sliding
window."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.filler import filler
from tests.support.tiny_model import WEATHER_TOOL
from tests.support.worker import Worker, real_worker

SYSTEM = {"role": "system", "content": filler(1500, "system")}
QUESTION = {"role": "user", "content": filler(300, "question")}
CALL = {
    "role": "assistant",
    "content": "",
    "tool_calls": [
        {"id": "c", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Rome"}'}}
    ],
}


@pytest.fixture(
    scope="module", params=["attention_model", "biased_model", "mixture_model", "hybrid_model", "window_model"]
)
def worker(request: pytest.FixtureRequest) -> Iterator[Worker]:
    with real_worker(request.getfixturevalue(request.param)) as worker:
        yield worker


def counts(answer: Any) -> tuple[int, int]:
    """(prompt tokens, those computed for it)."""
    usage = answer["usage"]
    return usage["prompt_tokens"], usage["prompt_tokens"] - usage["prompt_tokens_details"]["cached_tokens"]


def text_of(answer: Any) -> Any:
    return answer["choices"][0]["message"]


def fresh(worker: Worker, label: str) -> dict[str, str]:
    """A system prompt that no other test has sent."""
    return SYSTEM | {"content": f"{label}: {SYSTEM['content']}"}


def test_an_exact_repeat_hits_and_says_the_same(worker: Worker) -> None:
    asked = [fresh(worker, "repeat"), QUESTION]
    first, second = (worker.ask(asked, max_tokens=8) for _ in range(2))
    assert counts(first)[1] == counts(first)[0]
    assert counts(second)[1] < 16
    assert text_of(first) == text_of(second)


def test_the_next_turn_computes_only_what_is_new(worker: Worker) -> None:
    asked = [fresh(worker, "turn"), QUESTION]
    first = worker.ask(asked, max_tokens=8)
    follow_up = [*asked, {"role": "assistant", "content": "Something else."}, {"role": "user", "content": "Go on."}]
    before, after = counts(first), counts(worker.ask(follow_up, max_tokens=8))
    assert after[1] <= after[0] - before[0] + 16


def test_a_tool_loop_computes_each_step_once(worker: Worker) -> None:
    """The last message of each step is a tool's, where templates that open the thinking change their tail."""
    asked: list[dict[str, Any]] = [fresh(worker, "loop"), QUESTION]
    total = computed = 0
    for step in range(4):
        total, cost = counts(worker.ask(asked, tools=[WEATHER_TOOL], max_tokens=4))
        computed += cost
        asked = [*asked, CALL, {"role": "tool", "tool_call_id": "c", "content": filler(200, f"step {step}")}]
    assert computed <= total + 4 * 16


def test_another_conversation_shares_the_system_prompt_and_tools(worker: Worker) -> None:
    system = fresh(worker, "shared")
    worker.ask([system, QUESTION], tools=[WEATHER_TOOL], max_tokens=4)
    other = [system, {"role": "user", "content": "Something else."}]
    prompt, computed = counts(worker.ask(other, tools=[WEATHER_TOOL], max_tokens=4))
    assert computed < prompt / 10


def test_a_hit_changes_no_answer(worker: Worker) -> None:
    """The same question cold, and warm behind other turns."""
    system = fresh(worker, "same")
    asked = [system, {"role": "user", "content": "What now?"}]
    cold = worker.ask(asked, max_tokens=8)
    worker.ask([system, QUESTION], max_tokens=8)
    warm = worker.ask(asked, max_tokens=8)
    assert counts(warm)[1] < counts(cold)[1]
    assert text_of(warm) == text_of(cold)


def test_the_bytes_reported_are_the_bytes_kept(worker: Worker) -> None:
    worker.ask([QUESTION], max_tokens=4)
    figures = worker.engine.status().cache
    assert figures is not None
    assert 0 < figures.nbytes <= figures.limit
    assert figures.entries > 0
