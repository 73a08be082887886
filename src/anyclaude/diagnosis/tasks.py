"""What the exercises of `--test-model` ask: prompts of our own, the tools they offer, and what counts as right.

Pure: a request is made from a `Bench` alone, so that two runs differ only in their mark.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from anyclaude.diagnosis.collected import Collected

Request = dict[str, Any]

WORD: Final = "PONG"
CITIES: Final = ("Oslo", "Lima")
STATION: Final = "KESTREL-4817"
BEFORE_STOP: Final = "four"
STOP: Final = "five"
PLANTED: Final = "plum-7731"
ODD: Final = 'a "quoted" \\ back\\slash\n\ttabbed line: e\u0301 nai\u0308ve 👩\u200d🚀 🦜 שלום 漢字 {"x": [1]}'
ORDER: Final = {
    "customer": {"name": "Ada Lind", "vip": True},
    "items": [{"sku": "A-17", "quantity": 3, "size": "small"}, {"sku": "B-4", "quantity": 12, "size": "large"}],
}

LARGEST_PROMPT: Final = 3000
"""Tokens of the long prompt; less in a smaller window."""

_LINE_TOKENS: Final = 24
_SHARE: Final = 3
_LEAST_WINDOW: Final = 1500


@dataclass(frozen=True, slots=True)
class Bench:
    """What the requests of one run have in common.

    model: the name that is asked for. longest: the bound of an answer, in tokens. window: tokens, None where it is not
    known. mark: a word of this run alone, so that no cache knows its long prompts.
    """

    model: str
    mark: str
    window: int | None = None
    longest: int = 2000


def _object(required: Sequence[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


_STRING: Final[dict[str, Any]] = {"type": "string"}

WEATHER: Final[dict[str, Any]] = {
    "name": "get_weather",
    "description": "Tells the weather in one city, now.",
    "input_schema": _object(["city"], city=_STRING, unit={"type": "string", "enum": ["celsius", "fahrenheit"]}),
}
SAVE: Final[dict[str, Any]] = {
    "name": "save_text",
    "description": "Saves a text exactly as it is given.",
    "input_schema": _object(["text"], text=_STRING),
}
ORDERING: Final[dict[str, Any]] = {
    "name": "create_order",
    "description": "Creates an order of a customer.",
    "input_schema": _object(
        ["customer", "items"],
        customer=_object(["name", "vip"], name=_STRING, vip={"type": "boolean"}),
        items={
            "type": "array",
            "items": _object(
                ["sku", "quantity", "size"],
                sku=_STRING,
                quantity={"type": "integer"},
                size={"type": "string", "enum": ["small", "medium", "large"]},
            ),
        },
    ),
}
CARD: Final = _object(
    ["title", "pages", "tags"],
    title=_STRING,
    pages={"type": "integer"},
    tags={"type": "array", "items": _STRING},
)


def _said(bench: Bench, text: str, **more: Any) -> Request:
    return _talk(bench, [{"role": "user", "content": text}], **more)


def _talk(bench: Bench, messages: list[dict[str, Any]], **more: Any) -> Request:
    return {"model": bench.model, "max_tokens": bench.longest, "messages": messages, **more}


def plain_answer(bench: Bench, _: Sequence[Collected]) -> Request:
    return _said(bench, f"Answer with this one word and nothing else: {WORD}")


def streaming(bench: Bench, _: Sequence[Collected]) -> Request:
    return _said(bench, "Name the months of the year in order, one a line, with its number of days.")


def one_call(bench: Bench, _: Sequence[Collected]) -> Request:
    text = f"What is the weather in {CITIES[0]} right now, in celsius? Look it up with the tool that fits."
    return _said(bench, text, tools=[SAVE, WEATHER])


def parallel_calls(bench: Bench, _: Sequence[Collected]) -> Request:
    text = (
        f"What is the weather in {CITIES[0]} and in {CITIES[1]}? Call the tool for both cities at once, in one answer."
    )
    return _said(bench, text, tools=[WEATHER])


def nested_arguments(bench: Bench, _: Sequence[Collected]) -> Request:
    text = (
        "Create this order with the tool: the customer is Ada Lind, who is a VIP. She takes 3 pieces of A-17 in small "
        "and 12 pieces of B-4 in large."
    )
    return _said(bench, text, tools=[ORDERING])


def follow_up(bench: Bench, _: Sequence[Collected]) -> Request:
    """The call is put into its mouth, so that this says something about models that never call too."""
    call = {"type": "tool_use", "id": "toolu_01", "name": WEATHER["name"], "input": {"city": CITIES[0]}}
    result = {
        "type": "tool_result",
        "tool_use_id": "toolu_01",
        "content": f'{{"city": "{CITIES[0]}", "sky": "light rain", "station": "{STATION}"}}',
    }
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": f"What is the weather in {CITIES[0]}, and which station measured it?"},
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [result]},
    ]
    return _talk(bench, messages, tools=[WEATHER])


def json_format(bench: Bench, _: Sequence[Collected]) -> Request:
    text = (
        "Describe a book about lighthouses of 212 pages: answer with one JSON object with the keys title (a string), "
        "pages (an integer) and tags (a list of two strings), and nothing around it."
    )
    return _said(bench, text, output_config={"format": {"type": "json_schema", "schema": CARD}})


def stop_sequence(bench: Bench, _: Sequence[Collected]) -> Request:
    text = "Write the numbers from one to ten as small words, separated by spaces: one two three and so on."
    return _said(bench, text, stop_sequences=[STOP])


def needle(bench: Bench, _: Sequence[Collected]) -> Request | None:
    """None where the window has no room for a prompt that could be called long."""
    lines = _shelves(bench)
    if lines is None:
        return None
    lines.insert(len(lines) // 2, f"Note: the password of the archive is {PLANTED}.")
    return _said(bench, "\n".join(lines) + "\n\nWhat is the password of the archive? Answer with the password alone.")


def two_turns(bench: Bench, before: Sequence[Collected]) -> Request | None:
    """The same long beginning twice; the second time with an answer and a question more."""
    lines = _shelves(bench)
    if lines is None:
        return None
    first = {"role": "user", "content": "\n".join(reversed(lines)) + "\n\nAnswer with the one word: read"}
    if not before:
        return _talk(bench, [first])
    answer = {"role": "assistant", "content": before[0].text or "read"}
    return _talk(bench, [first, answer, {"role": "user", "content": "Answer with the one word: again"}])


def odd_characters(bench: Bench, _: Sequence[Collected]) -> Request:
    text = f"Save with the tool the text between the two marks, character by character as it is.\n<<<{ODD}>>>"
    return _said(bench, text, tools=[SAVE])


def _shelves(bench: Bench) -> list[str] | None:
    """A long text of which no line repeats, nor any of an earlier run."""
    if bench.window is not None and bench.window < _LEAST_WINDOW:
        return None
    tokens = LARGEST_PROMPT if bench.window is None else min(LARGEST_PROMPT, bench.window // _SHARE)
    colours = ("grey", "amber", "teal", "ochre", "white")
    return [
        f"Archive {bench.mark}, shelf {number}: {7 * number % 90} boxes of {colours[number % 5]} thread."
        for number in range(tokens // _LINE_TOKENS)
    ]
