"""The judges of `--test-model`: from what came to an outcome and one sentence of evidence. Pure.

A judge is only asked about answers that are whole; what was late, broken or refused has failed before (`judged`).
"""

import json
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from anyclaude.diagnosis.collected import Call, Collected
from anyclaude.diagnosis.shapes import fault
from anyclaude.diagnosis.tasks import (
    BEFORE_STOP,
    CARD,
    CITIES,
    ODD,
    ORDER,
    ORDERING,
    PLANTED,
    SAVE,
    STATION,
    STOP,
    WEATHER,
    WORD,
)

Status = Literal["passed", "partly", "failed", "skipped"]

_CLIPPED: Final = 70
_LUMP: Final = 0.1
"""An answer whose content came in less than this part of its time came all at once."""
_LONG_ENOUGH: Final = 1.0  # seconds; below, the times of a stream say nothing
_REUSED: Final = 0.5
"""The part of the first prompt that the second turn must find in the cache, and of its time that it may take."""
_CALL_MARKS: Final = ("<tool_call>", "[TOOL_CALLS]", "<function", '"arguments"', '"parameters"')


@dataclass(frozen=True, slots=True)
class Judgement:
    status: Status
    evidence: str


Judge = Callable[[Sequence[Collected]], Judgement]


def judged(judge: Judge, answers: Sequence[Collected]) -> Judgement:
    """The judge's word on answers that are whole; else why one is not."""
    for answer in answers:
        if answer.error is not None:
            return Judgement("failed", clipped(answer.error.message, 160))
        if answer.late:
            came = f"{clipped(answer.text)!r} had come" if answer.content_at else "nothing had come"
            return Judgement("failed", f"not ready within {answer.ended:.0f} s, {came}")
        if answer.finished is None:
            return Judgement("failed", f"the answer ended before it was complete: {clipped(answer.text)!r}")
        if not answer.content_at:
            return Judgement("failed", "the answer was empty")
        if answer.thought and not answer.text and not answer.calls:
            return Judgement("failed", f"it only thought, and did not come to an answer{_cut(answer)}")
    found = judge(answers)
    return found if found.status == "passed" else Judgement(found.status, found.evidence + _cut(answers[-1]))


def _cut(answer: Collected) -> str:
    if answer.finished is None or answer.finished.reason != "max_tokens":
        return ""
    return f", cut off after {answer.usage.output_tokens} tokens" if answer.usage else ", cut off"


def clipped(text: str, longest: int = _CLIPPED) -> str:
    """The beginning of it, in one line."""
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[:longest]}..."


def plain_answer(answers: Sequence[Collected]) -> Judgement:
    text = answers[-1].text
    if text.strip(" .\"'*\n").upper() == WORD:
        return Judgement("passed", f"it said {clipped(text)!r}")
    return Judgement("partly" if text.strip() else "failed", f"asked for {WORD}, it said {clipped(text)!r}")


def streaming(answers: Sequence[Collected]) -> Judgement:
    answer = answers[-1]
    first, last, reads = answer.content_at[0], answer.content_at[-1], len(answer.content_at)
    speed = answer.tokens_per_second
    said = f"first token after {first:.2f} s, {f'{speed:.1f} tokens/s' if speed else 'speed unknown'}, {reads} reads"
    lump = last > _LONG_ENOUGH and last - first < _LUMP * last
    if reads < 2 or lump:
        return Judgement("partly", f"it came all at once: {said}")
    return Judgement("passed", said)


def one_call(answers: Sequence[Collected]) -> Judgement:
    calls = answers[-1].calls
    if not calls:
        return _no_call(answers[-1])
    call, schema = calls[0], WEATHER["input_schema"]
    if call.name != WEATHER["name"]:
        return Judgement("failed", f"it called {clipped(call.name)} instead of {WEATHER['name']}")
    if wrong := _wrong(call, schema):
        return Judgement("failed", wrong)
    right = _asks_for(call, CITIES[0]) and len(calls) == 1
    return Judgement("passed" if right else "partly", f"it called {_shown(call)}{_others(calls)}")


def parallel_calls(answers: Sequence[Collected]) -> Judgement:
    calls = answers[-1].calls
    good = [call for call in calls if call.name == WEATHER["name"] and not _wrong(call, WEATHER["input_schema"])]
    if not calls:
        return _no_call(answers[-1])
    if not good:
        return Judgement("failed", _wrong(calls[0], WEATHER["input_schema"]) or f"it called {_shown(calls[0])}")
    if all(any(_asks_for(call, city) for call in good) for city in CITIES):
        return Judgement("passed", f"{len(calls)} calls in one answer")
    return Judgement("partly", f"{len(calls)} call in place of two: {_shown(good[0])}")


def nested_arguments(answers: Sequence[Collected]) -> Judgement:
    calls = answers[-1].calls
    if not calls:
        return _no_call(answers[-1])
    call = calls[0]
    if call.name != ORDERING["name"] or call.arguments is None:
        return Judgement("failed", _wrong(call, ORDERING["input_schema"]) or f"it called {_shown(call)}")
    if wrong := fault(call.arguments, ORDERING["input_schema"]):
        return Judgement("partly", f"{clipped(wrong)}, in {_shown(call)}")
    if call.arguments == ORDER:
        return Judgement("passed", "every value in its place and of its type")
    return Judgement("partly", f"of the right shape, but not what was asked: {_shown(call)}")


def follow_up(answers: Sequence[Collected]) -> Judgement:
    answer = answers[-1]
    if STATION.casefold() in answer.text.casefold():
        return Judgement("passed", f"the answer uses the result: {clipped(answer.text)!r}")
    if answer.calls:
        return Judgement("failed", f"in place of using the result it called again: {_shown(answer.calls[0])}")
    status: Status = "partly" if "light rain" in answer.text.casefold() else "failed"
    return Judgement(status, f"{STATION} of the result is not in {clipped(answer.text)!r}")


def json_format(answers: Sequence[Collected]) -> Judgement:
    text = answers[-1].text
    value = _object_of(text)
    if value is not None:
        wrong = fault(value, CARD)
        return Judgement("partly", f"JSON, but {clipped(wrong)}") if wrong else Judgement("passed", clipped(text))
    inside = _object_of(text[text.find("{") : text.rfind("}") + 1])
    if inside is not None:
        return Judgement("partly", f"the JSON has other words around it: {clipped(text)!r}")
    return Judgement("failed", f"no JSON object: {clipped(text)!r}")


def stop_sequence(answers: Sequence[Collected]) -> Judgement:
    """OpenAI's format does not tell whether a stop sequence was why an answer ended, so its place must do."""
    answer = answers[-1]
    if STOP in answer.text:
        return Judgement("failed", f"it wrote on past the stop sequence: {clipped(answer.text)!r}")
    told = answer.finished is not None and answer.finished.reason == "stop_sequence"
    if told or answer.text.casefold().rstrip(" ,").endswith(BEFORE_STOP):
        return Judgement("passed", f"it ended at the stop sequence: {clipped(answer.text)!r}")
    return Judgement("partly", f"it never came to the stop sequence: {clipped(answer.text)!r}")


def needle(answers: Sequence[Collected]) -> Judgement:
    answer = answers[-1]
    size = f" in {answer.usage.prompt_tokens} tokens" if answer.usage else ""
    if PLANTED in answer.text:
        return Judgement("passed", f"it found the one line{size}")
    return Judgement("failed", f"it did not find the one line{size}: {clipped(answer.text)!r}")


def second_turn(answers: Sequence[Collected]) -> Judgement:
    first, second = answers
    size = first.usage.prompt_tokens if first.usage else 0
    cached = second.usage.cached_tokens if second.usage else None
    if size and cached is not None and cached >= _REUSED * size:
        return Judgement("passed", f"{cached} tokens came from the prefix cache, as the server counts")
    before, after = first.first_token or 0.0, second.first_token or 0.0
    counted = "does not say what was cached" if cached is None else f"counts {cached} cached tokens"
    said = f"by time to first token: {before:.2f} s, then {after:.2f} s; the server {counted}"
    if before and after < _REUSED * before:
        return Judgement("passed", said)
    return Judgement("partly" if cached else "failed", said)


def odd_characters(answers: Sequence[Collected]) -> Judgement:
    calls = answers[-1].calls
    if not calls:
        return _no_call(answers[-1])
    call = calls[0]
    if wrong := _wrong(call, SAVE["input_schema"]):
        return Judgement("failed", wrong)
    text = (call.arguments or {})["text"]
    if text == ODD:
        return Judgement("passed", f"all {len(ODD)} characters came back as they were")
    if _normal(text) == _normal(ODD):
        return Judgement("partly", "the same but for white space or the form of accents")
    same = next((place for place, (one, other) in enumerate(zip(text, ODD, strict=False)) if one != other), len(text))
    status: Status = "partly" if same > len(ODD) // 2 else "failed"
    return Judgement(status, f"it differs from character {same + 1} of {len(ODD)} on: {clipped(text[same:], 30)!r}")


def _normal(text: str) -> str:
    return unicodedata.normalize("NFC", " ".join(text.split()))


def _no_call(answer: Collected) -> Judgement:
    if any(mark in answer.text for mark in _CALL_MARKS):
        return Judgement("failed", f"it wrote the call as text, which nobody carries out: {clipped(answer.text)!r}")
    return Judgement("failed", f"no call, but {clipped(answer.text)!r}")


def _wrong(call: Call, schema: dict[str, Any]) -> str | None:
    if call.arguments is None:
        return f"the arguments are no JSON object: {clipped(call.text)!r}"
    wrong = fault(call.arguments, schema)
    return f"{clipped(wrong)}, in {_shown(call)}" if wrong else None


def _asks_for(call: Call, city: str) -> bool:
    return city.casefold() in str((call.arguments or {}).get("city", "")).casefold()


def _shown(call: Call) -> str:
    return f"{clipped(call.name, 30)}({clipped(call.text)})"


def _others(calls: Sequence[Call]) -> str:
    return f" and {len(calls) - 1} more" if len(calls) > 1 else ""


def _object_of(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
