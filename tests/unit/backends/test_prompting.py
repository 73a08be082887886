"""The chain is run once for the same system prompt and tools, and its result fits every request that has them."""

from typing import Any

import pytest

from anyclaude.backends import prompting
from anyclaude.backends.base import NO_JOURNAL
from anyclaude.backends.prompting import Chain
from anyclaude.prompt.chain import optimise
from anyclaude.prompt.options import Optimised, Options


def _request(system: str = "You help.", question: str = "Hello", tool: str = "Read") -> dict[str, Any]:
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "properties": {}}
    return {
        "model": "m",
        "max_tokens": 10,
        "system": system,
        "tools": [{"name": tool, "description": f"The tool {tool}.", "input_schema": schema}],
        "messages": [{"role": "user", "content": question}],
    }


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The requests that the chain itself was run for."""
    seen: list[Any] = []

    def counted(request: Any, options: Options) -> Optimised:
        seen.append(request)
        return optimise(request, options)

    monkeypatch.setattr(prompting, "optimise", counted)
    return seen


def test_the_same_tools_are_taken_apart_once(runs: list[Any]) -> None:
    chain = Chain(Options(slim_tools="noise"))
    first = chain.optimised(_request(question="One"), NO_JOURNAL)
    second = chain.optimised(_request(question="Two"), NO_JOURNAL)
    assert len(runs) == 1
    assert "$schema" not in first["tools"][0]["input_schema"]
    assert second == {**_request(question="Two"), "tools": first["tools"]}


def test_another_system_prompt_or_tool_is_another_result(runs: list[Any]) -> None:
    chain = Chain(Options(slim_tools="noise"))
    requests = [_request(), _request(system="You do not help."), _request(tool="Write"), _request()]
    for request in requests:
        assert chain.optimised(request, NO_JOURNAL) == optimise(request, Options(slim_tools="noise")).request
    assert len(runs) == 3


def test_the_smart_prompt_depends_on_the_first_question(runs: list[Any]) -> None:
    chain = Chain(Options(smart=True))
    grown = _request(question="One")
    grown["messages"] += [{"role": "assistant", "content": "Yes."}, {"role": "user", "content": "More"}]
    for request in (_request(question="One"), grown, _request(question="Two")):
        chain.optimised(request, NO_JOURNAL)
    assert len(runs) == 2


def test_only_the_last_results_are_kept(runs: list[Any]) -> None:
    chain = Chain(Options(slim_tools="noise"))
    for number in range(9):
        chain.optimised(_request(system=str(number)), NO_JOURNAL)
    chain.optimised(_request(system="8"), NO_JOURNAL)
    assert len(runs) == 9
    chain.optimised(_request(system="0"), NO_JOURNAL)
    assert len(runs) == 10


def test_a_request_without_change_stays_the_same_object() -> None:
    request = {"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "Hello"}]}
    assert Chain(Options()).optimised(request, NO_JOURNAL) is request


def test_a_stable_prompt_is_the_same_for_two_folders_and_in_every_turn() -> None:
    chain = Chain(Options(stable=True))
    sent = [
        chain.optimised(_request(system=f"You help.\n<env>\nWorking directory: /{folder}\n</env>"), NO_JOURNAL)
        for folder in ("one", "two")
    ]
    assert sent[0]["system"] == sent[1]["system"]
    assert "/one" in str(sent[0]["messages"][0])
    grown = _request(system="You help.\n<env>\nWorking directory: /one\n</env>")
    grown["messages"] += [{"role": "assistant", "content": "Yes."}, {"role": "user", "content": "More"}]
    again = chain.optimised(grown, NO_JOURNAL)
    assert again["messages"][0] == sent[0]["messages"][0]
    assert again["messages"][1:] == grown["messages"][1:]
