"""Models of random weights, which write garbage, held to a grammar: what comes out is valid all the same."""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from mlx_worker.events import Event, Failed, Finished, Logprobs, ReasoningPiece, TextPiece, ToolArguments, ToolCallBegun
from mlx_worker.generation import AnswerShape, Conversation, Generation, Prompt, Sampling
from mlx_worker.jobs import Job, Limits
from mlx_worker.mlx_engine import MlxRunner, load_runner
from mlx_worker.prompts import build_prompt
from mlx_worker.turns import Turns
from tests.support import tiny_model

NODE = {
    "type": "object",
    "properties": {"name": {"enum": ["x", "y"]}, "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
    "required": ["name", "next"],
    "additionalProperties": False,
}
SHORT = {"type": "string", "maxLength": 8}
SCHEMAS: dict[str, dict[str, Any]] = {
    "choice": {
        "type": "object",
        "properties": {"mode": {"enum": ["read", "write", 3, None]}},
        "required": ["mode"],
        "additionalProperties": False,
    },
    "bounds": {
        "type": "object",
        "properties": {"line": {"type": "integer", "minimum": -3, "maximum": 117}, "ok": {"type": "boolean"}},
        "required": ["line", "ok"],
        "additionalProperties": False,
    },
    "nested": {
        "type": "object",
        "properties": {
            "todos": {
                "type": "array",
                "minItems": 1,
                "maxItems": 3,
                "items": {
                    "type": "object",
                    "properties": {"text": SHORT, "tags": {"type": "array", "items": SHORT, "maxItems": 2}},
                    "required": ["text", "tags"],
                    "additionalProperties": False,
                },
            }
        },
        "required": ["todos"],
        "additionalProperties": False,
    },
    "optional": {
        "type": "object",
        "properties": {"a": SHORT, "b": {"type": "number", "minimum": 0, "maximum": 1}, "c": {"const": "fixed"}},
        "additionalProperties": False,
    },
    "unicode": {
        "type": "object",
        "properties": {"größe ☃": {"enum": ["klein", 'gr"oß', "\\"]}, "日本": SHORT},
        "required": ["größe ☃"],
        "additionalProperties": False,
    },
    "recursive": {"$defs": {"node": NODE}, "$ref": "#/$defs/node"},
    "others": {"type": "object", "properties": {"n": {"type": "null"}}, "additionalProperties": {"type": "boolean"}},
    "pattern": {
        "type": "object",
        "properties": {
            "sha": {"type": "string", "pattern": "^[0-9a-f]{4,7}$"},
            "day": {"type": "string", "format": "date"},
        },
        "required": ["sha", "day"],
        "additionalProperties": False,
    },
}
TOOLS = [{"type": "function", "function": {"name": name, "parameters": schema}} for name, schema in SCHEMAS.items()]
ASKED = Conversation([{"role": "user", "content": "hi"}], TOOLS)
CLOSED = "<think>\n\n</think>\n\n"

Build = Callable[..., MlxRunner]


@pytest.fixture(scope="module")
def model(models_folder: Path) -> Build:
    def build(arch: str = "qwen3", **options: Any) -> MlxRunner:
        folder = models_folder / "-".join(["constraint", arch, *map(str, options.values())])
        return load_runner(tiny_model.build(folder, arch, **options).folder)

    return build


def prompt_of(runner: MlxRunner, tail: str = CLOSED) -> Prompt:
    """With thinking closed, unless told otherwise: a model of random weights would never end it."""
    prompt = build_prompt(runner.chat, ASKED)
    return Prompt((*prompt.tokens, *runner.chat.encode(tail)), section=prompt.section if tail != CLOSED else "normal")


def asked(runner: MlxRunner, shape: AnswerShape, **fields: Any) -> Generation:
    """At temperature 1; texts and lists would grow very long if their ends were no likelier than all else."""
    ends = Sampling(logit_bias=tuple((token(runner, end), 3.0) for end in ('"', "}", "]", "<|im_end|>")))
    known = {"prompt": prompt_of(runner), "max_tokens": 800, "tools": TOOLS, "shape": shape, "sampling": ends}
    return Generation(**{**known, **fields})


def answers(runner: MlxRunner, requests: Sequence[Generation]) -> list[list[Event]]:
    """What each request hears, all of them at once, as many in a batch as fit."""
    turns = Turns(runner, Limits())
    heard: list[list[Event]] = [[] for _ in requests]
    for i, request in enumerate(requests):
        turns.add(Job(request, heard[i].append, i))
    while not turns.idle:
        turns.turn()
    return heard


def calls_of(events: Sequence[Event]) -> list[tuple[str, str]]:
    calls: list[tuple[str, str]] = []
    for event in events:
        if isinstance(event, ToolCallBegun):
            calls.append((event.name, ""))
        if isinstance(event, ToolArguments):
            calls[-1] = (calls[-1][0], calls[-1][1] + event.json)
    return calls


def text_of(events: Sequence[Event], kind: type[TextPiece] | type[ReasoningPiece] = TextPiece) -> str:
    return "".join(event.text for event in events if isinstance(event, kind))


def end_of(events: Sequence[Event]) -> Finished:
    end = events[-1]
    assert isinstance(end, Finished), end
    return end


def check_calls(events: Sequence[Event]) -> int:
    """How many calls there are; all of them valid."""
    calls = calls_of(events)
    for name, arguments in calls:
        jsonschema.validate(json.loads(arguments), SCHEMAS[name])
    return len(calls)


def token(runner: MlxRunner, text: str) -> int:
    (one,) = runner.chat.encode(text)
    return one


@pytest.mark.parametrize("arch", ["qwen3", "qwen3_next", "gemma3_text"])
def test_every_forced_call_is_valid(model: Build, arch: str) -> None:
    runner = model(arch)
    shapes = [AnswerShape(must_call=True, tool=name, parallel=False) for name in SCHEMAS]
    shapes += [AnswerShape(must_call=True), AnswerShape(must_call=True, parallel=False)]
    greedy = asked(runner, AnswerShape(must_call=True, tool="bounds", parallel=False), sampling=Sampling(temperature=0))
    free = Generation(prompt_of(runner), 30, Sampling(logit_bias=((token(runner, "<|im_end|>"), -100.0),)))
    heard = answers(runner, [*(asked(runner, shape) for shape in shapes for _ in range(2)), greedy, free])
    for events in heard[:-1]:
        assert check_calls(events) >= 1
        assert end_of(events).reason == "tool_calls"
        assert text_of(events) == ""
    assert [calls_of(events)[0][0] for events in heard[:-3:2]][: len(SCHEMAS)] == list(SCHEMAS)
    assert all(len(calls_of(events)) == 1 for events in heard[: 2 * len(SCHEMAS)])
    assert end_of(heard[-1]).completion_tokens == 30


@pytest.mark.parametrize("calls", ["qwen3_coder", "minimax_m2", "glm47", "mistral"])
def test_calls_in_other_formats(model: Build, calls: str) -> None:
    """Without texts between tags: by chance no model finds the tag that ends one."""
    runner = model(calls=calls)
    names = SCHEMAS if calls == "mistral" else ["choice", "bounds", "nested", "others"]
    shapes = [AnswerShape(must_call=True, tool=name, parallel=False) for name in names]
    for events in answers(runner, [asked(runner, shape) for shape in shapes]):
        assert check_calls(events) == 1
        assert end_of(events).reason == "tool_calls"


@pytest.mark.parametrize("schema", [*SCHEMAS.values(), {}], ids=[*SCHEMAS, "any object"])
def test_an_answer_of_a_schema_is_exactly_that(model: Build, schema: dict[str, Any]) -> None:
    runner = model()
    request = asked(runner, AnswerShape(schema=schema), tools=())
    for events in answers(runner, [request] * 3):
        parsed = json.loads(text_of(events))
        assert isinstance(parsed, dict)
        jsonschema.validate(parsed, schema)
        assert end_of(events).reason == "stop"


def test_with_tools_and_a_schema_it_is_one_or_the_other(model: Build) -> None:
    runner = model()
    shape = AnswerShape(schema=SCHEMAS["bounds"])
    for events in answers(runner, [asked(runner, shape)] * 8):
        if check_calls(events):
            assert text_of(events) == ""
        else:
            jsonschema.validate(json.loads(text_of(events)), SCHEMAS["bounds"])


def test_text_is_free_until_it_opens_a_call(model: Build) -> None:
    runner = model()
    ends = tuple((token(runner, end), 3.0) for end in ('"', "}", "]"))
    opening = Sampling(logit_bias=((token(runner, "<tool_call>"), 6.0), (token(runner, "<|im_end|>"), -100.0), *ends))
    for parallel in (True, False):
        shape = AnswerShape(parallel=parallel)
        requests = [asked(runner, shape, sampling=opening, max_tokens=500 - 300 * parallel)] * 3
        for events in answers(runner, requests):
            calls = calls_of(events)
            assert calls
            if parallel:  # it never ends, as the end is made unlikely; the last call may be cut
                assert end_of(events).reason == "length"
            else:
                assert (len(calls), end_of(events).reason) == (1, "tool_calls")
                assert check_calls(events) == 1
            for name, arguments in calls[:-1]:
                jsonschema.validate(json.loads(arguments), SCHEMAS[name])


def test_a_call_that_is_cut_says_so_and_shows_what_came(model: Build) -> None:
    runner = model()
    events = answers(runner, [asked(runner, AnswerShape(must_call=True, tool="nested"), max_tokens=40)])[0]
    ((name, arguments),) = calls_of(events)
    assert (name, end_of(events).reason) == ("nested", "length")
    assert arguments.startswith("{")
    with pytest.raises(json.JSONDecodeError):
        json.loads(arguments)


def test_a_call_comes_while_it_is_written(model: Build) -> None:
    runner = model()
    events = answers(runner, [asked(runner, AnswerShape(must_call=True, tool="nested", parallel=False))])[0]
    begun = next(i for i, event in enumerate(events) if isinstance(event, ToolCallBegun))
    pieces = [event for event in events[begun:] if isinstance(event, ToolArguments)]
    assert len(pieces) > 5
    assert all(len(piece.json) < 40 for piece in pieces)


def test_reasoning_that_the_template_opened_comes_first(model: Build) -> None:
    runner = model(open_thinking=True)
    prompt = prompt_of(runner, tail="Hm")
    ending = Sampling(logit_bias=((token(runner, "</think>"), 6.0),))
    shape = AnswerShape(must_call=True, tool="bounds", parallel=False)
    for events in answers(runner, [asked(runner, shape, prompt=prompt, sampling=ending)] * 4):
        assert (text_of(events), check_calls(events), end_of(events).reason) == ("", 1, "tool_calls")


def test_a_model_that_thinks_may_do_so_before_it_calls(model: Build) -> None:
    runner = model()
    likely = Sampling(logit_bias=((token(runner, "<think>"), 14.0), (token(runner, "</think>"), 12.0)))
    prompt = prompt_of(runner, tail="Hm")
    shape = AnswerShape(must_call=True, tool="bounds", parallel=False)
    heard = answers(runner, [asked(runner, shape, prompt=prompt, sampling=likely)] * 6)
    assert any(text_of(events, ReasoningPiece) for events in heard)
    assert all(check_calls(events) == 1 for events in heard)


def test_a_hostile_schema_fails_nobody(model: Build) -> None:
    runner = model()
    wide = [{"anyOf": [{"properties": {f"k{i}": {"const": j}}} for j in range(4)]} for i in range(9)]
    for parameters in (
        {"allOf": wide},
        {"type": "object", "properties": {"p": {"pattern": "(?=x)(?<!y)"}}},
        {"$ref": "http://x"},
    ):
        tools = [{"type": "function", "function": {"name": "f", "parameters": parameters}}]
        shape = AnswerShape(must_call=True, parallel=False)
        events = answers(runner, [asked(runner, shape, tools=tools, max_tokens=3000)])[0]
        assert not any(isinstance(event, Failed) for event in events)
        ((name, arguments),) = calls_of(events)
        assert name == "f"
        if end_of(events).reason == "tool_calls":
            assert isinstance(json.loads(arguments), dict)


def test_log_probabilities(model: Build) -> None:
    runner = model()
    endless = Sampling(logit_bias=((token(runner, "<|im_end|>"), -100.0),))
    events = answers(runner, [Generation(prompt_of(runner), 20, endless, logprobs=3)])[0]
    tokens = [one for event in events if isinstance(event, Logprobs) for one in event.tokens]
    assert len(tokens) == end_of(events).completion_tokens == 20
    assert "".join(one.text for one in tokens).strip() == text_of(events).strip()
    for one in tokens:
        assert len(one.top) == 3
        values = [value for _, value in one.top]
        assert values == sorted(values, reverse=True)
        assert math.log(1 / 1024) * 3 < one.logprob <= values[0] < 0
    greedy = answers(runner, [Generation(prompt_of(runner), 5, Sampling(temperature=0), logprobs=0)])[0]
    assert all(one.top == () for event in greedy if isinstance(event, Logprobs) for one in event.tokens)


def test_under_a_grammar_the_alternatives_are_those_it_allows(model: Build) -> None:
    runner = model()
    shape = AnswerShape(must_call=True, tool="bounds", parallel=False)
    events = answers(runner, [asked(runner, shape, logprobs=20)])[0]
    tokens = [one for event in events if isinstance(event, Logprobs) for one in event.tokens]
    assert all(math.isfinite(value) for one in tokens for _, value in one.top)
    assert any(one.logprob == pytest.approx(0, abs=1e-4) and len(one.top) == 1 for one in tokens)


def test_a_bias_makes_and_breaks_a_token(model: Build) -> None:
    runner = model()
    hello = token(runner, " the")
    heard = answers(runner, [Generation(prompt_of(runner), 6, Sampling(logit_bias=((hello, 100.0), (10**6, 5.0))))])[0]
    assert text_of(heard).split() == ["the"] * 6
