"""Mixed requests to one worker, many at a time: asked, repeated, left, too long, wrong; and what must hold of each."""

import json
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx
import jsonschema

from tests.support.filler import filler
from tests.support.worker import DEADLINE

Messages = Sequence[Mapping[str, Any]]

QUESTIONS = ("hi", "weather in Paris", "think")
_PARAMETERS: Any = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1, "maximum": 9}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
_FORECAST = {"type": "function", "function": {"name": "forecast", "parameters": _PARAMETERS}}
_SYSTEMS = 6
WEIGHTS: Mapping[str, int] = {"known": 6, "long": 3, "leave": 4, "call": 2, "too long": 1, "wrong": 1}


@dataclass
class Soak:
    """Of the worker at `url`. `outcomes` counts what came of the requests; `wrong` holds what should not have come."""

    url: str
    weights: Mapping[str, int] = field(default_factory=lambda: WEIGHTS)
    alone: dict[str, Any] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def run(self, requests: int, together: int = 8, seed: int = 1) -> None:
        """First every known question alone, then all kinds at once."""
        chosen = random.Random(seed)
        kinds = chosen.choices(list(self.weights), list(self.weights.values()), k=requests)
        with (
            httpx.Client(base_url=self.url, trust_env=False, timeout=DEADLINE) as client,
            ThreadPoolExecutor(together) as pool,
        ):
            self.alone = {
                question: _message(_posted(client, _known(question), max_tokens=40)) for question in QUESTIONS
            }
            for one in [pool.submit(self._one, kind, chosen.randrange(1 << 30), client) for kind in kinds]:
                one.result()

    def _one(self, kind: str, number: int, client: httpx.Client) -> None:
        asking: Mapping[str, Callable[[int, httpx.Client], str]] = {
            "known": self._ask_known,
            "long": self._ask_long,
            "leave": self._leave,
            "call": self._call,
            "too long": self._ask_too_much,
            "wrong": self._ask_wrongly,
        }
        try:
            outcome = asking[kind](number, client)
        except (httpx.HTTPError, AssertionError, ValueError, jsonschema.ValidationError) as error:
            self.wrong.append(f"{kind}: {type(error).__name__}: {str(error)[:300]}")
            return
        self.outcomes[outcome] += 1

    def _ask_known(self, number: int, client: httpx.Client) -> str:
        """What it said alone it says among others."""
        question = QUESTIONS[number % len(QUESTIONS)]
        answer = _posted(client, _known(question), max_tokens=40)
        assert _message(answer) == self.alone[question], f"{_message(answer)} is not {self.alone[question]}"
        return "the same as alone"

    def _ask_long(self, number: int, client: httpx.Client) -> str:
        system = {"role": "system", "content": filler(1500, str(number % _SYSTEMS))}
        question = {"role": "user", "content": filler(200 + number % 800, str(number))}
        answer = _posted(client, [system, question], max_tokens=1 + number % 16)
        assert answer["choices"][0]["finish_reason"] in ("stop", "length")
        return "long"

    def _leave(self, number: int, client: httpx.Client) -> str:
        """In the prompt, after its first chunks, or in the answer."""
        body = {"messages": [{"role": "user", "content": filler(1200, str(number))}], "stream": True, "max_tokens": 60}
        with client.stream("POST", "/v1/chat/completions", json=body) as answer:
            lines = answer.iter_lines()
            for _ in range(number % 12):
                next(lines, None)
        return "left"

    def _call(self, number: int, client: httpx.Client) -> str:
        answer = _posted(
            client,
            [{"role": "user", "content": filler(50, str(number))}],
            tools=[_FORECAST],
            tool_choice="required",
            parallel_tool_calls=False,
            temperature=1,
            max_tokens=300,
        )
        choice = answer["choices"][0]
        if choice["finish_reason"] == "length":
            return "call cut by its limit"
        (call,) = choice["message"]["tool_calls"]
        jsonschema.validate(json.loads(call["function"]["arguments"]), _PARAMETERS)
        return "called"

    def _ask_too_much(self, number: int, client: httpx.Client) -> str:
        body = {"messages": [{"role": "user", "content": "word " * 40_000}], "max_tokens": 4}
        refused = client.post("/v1/chat/completions", json=body)
        assert refused.status_code == 400, refused.text
        return "refused as too long"

    def _ask_wrongly(self, number: int, client: httpx.Client) -> str:
        bodies: Sequence[Any] = ({}, {"messages": []}, {"messages": [{"role": "user"}], "temperature": 9}, [1])
        refused = client.post("/v1/chat/completions", json=bodies[number % len(bodies)])
        assert refused.status_code == 400, refused.text
        return "refused as wrong"


def _known(question: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}]


def _posted(client: httpx.Client, messages: Messages, **fields: Any) -> Any:
    answer = client.post("/v1/chat/completions", json={"messages": messages, "temperature": 0, **fields})
    assert answer.status_code == 200, answer.text
    return answer.json()


def _message(answer: Any) -> Any:
    """What was said, without the ids that are made anew."""
    message = answer["choices"][0]["message"]
    calls = [call["function"] for call in message.get("tool_calls") or ()]
    return message.get("content"), message.get("reasoning_content"), calls
