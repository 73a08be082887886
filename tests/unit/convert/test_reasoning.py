"""`reasoning_details` through the client and back: what came in goes out again, and nothing else does."""

import base64
import zlib
from typing import Any

import orjson
import pytest

from anyclaude.convert import reasoning
from anyclaude.convert.chunks import ChunkReader
from anyclaude.convert.profile import Profile
from anyclaude.convert.reasoning import Sealing, Unsealing
from anyclaude.convert.turns import chat_messages
from anyclaude.wire.events import ModelEvent, TextDelta, ThinkingDelta, ThinkingSignature
from tests.support.streams import call, delta, finish, fold, ids, text

MODEL = "anthropic/claude-sonnet-4.5"


def thought(text: str | None = None, index: int = 0, **more: Any) -> dict[str, Any]:
    piece = {} if text is None else {"text": text}
    return {"type": "reasoning.text", **piece, "format": "anthropic-claude-v1", "index": index, **more}


def details(*fragments: dict[str, Any], **more: Any) -> dict[str, Any]:
    return delta(reasoning_details=list(fragments), **more)


def read(*chunks: object) -> list[ModelEvent]:
    reader = ChunkReader(ids(), details_for=MODEL)
    return [event for chunk in chunks for event in reader.feed(chunk)] + reader.end()


def carried(*chunks: object, model: str = MODEL, **profile: Any) -> dict[str, Any]:
    """The assistant message that goes upstream with the next request."""
    content = fold(read(*chunks))["content"]
    messages = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": content}]
    messages.append({"role": "user", "content": "and?"})
    sent = chat_messages(messages, Profile(**{"reasoning_details": True, **profile}), model)
    return next(message for message in sent if message["role"] == "assistant")


STREAM = (
    details(thought("Plan"), reasoning="Plan", content=""),
    details(thought(" it."), reasoning=" it.", content=""),
    details(thought(signature="CAIS.eyJ9"), content=""),
    text("I'll look."),
    finish(),
)


def test_fragments_are_put_together_and_come_back() -> None:
    assert carried(*STREAM)["reasoning_details"] == [thought("Plan it.", signature="CAIS.eyJ9")]


def test_text_that_comes_twice_is_shown_once_and_the_signature_ends_the_thinking() -> None:
    events = read(*STREAM)
    assert events[:2] == [ThinkingDelta("Plan"), ThinkingDelta(" it.")]
    assert isinstance(events[2], ThinkingSignature)
    assert events[3] == TextDelta("I'll look.")
    assert [block["type"] for block in fold(events)["content"]] == ["thinking", "text"]


@pytest.mark.parametrize("fragment", [thought("hm"), {"type": "reasoning.summary", "summary": "hm", "index": 0}])
def test_details_alone_are_shown_too(fragment: dict[str, Any]) -> None:
    assert read(details(fragment), text("x"), finish())[0] == ThinkingDelta("hm")


def test_what_came_whole_goes_back_byte_for_byte() -> None:
    whole: list[dict[str, Any]] = [
        {"type": "reasoning.summary", "summary": "süm", "id": "rs_1", "format": "openai-responses-v1", "index": 0},
        {"type": "reasoning.encrypted", "data": "gAAA==", "id": "rs_1", "format": "openai-responses-v1", "index": 0},
        {"type": "reasoning.encrypted", "data": "x", "id": "call_1", "new": {"z": [1.5, None], "a": 1}, "index": 1},
        {"type": "reasoning.text", "text": "t", "signature": None, "id": None, "index": 2},
    ]
    sent = carried(details(*whole), call(id="c1", name="Bash", args="{}"), finish("tool_calls"))
    assert orjson.dumps(sent["reasoning_details"]) == orjson.dumps(whole)
    assert sent["tool_calls"][0]["id"] == "c1"


def test_details_in_the_chunk_of_a_call_come_before_it() -> None:
    chunk = call(id="c1", name="Bash", args="{}")
    chunk["choices"][0]["delta"]["reasoning_details"] = [thought("why")]
    assert [block["type"] for block in fold(read(chunk, finish("tool_calls")))["content"]] == ["thinking", "tool_use"]


def test_details_within_and_after_a_call_are_not_lost() -> None:
    late = (call(id="c1", name="Bash", args='{"a":'), details(thought("late")), call(args="1}"), finish("tool_calls"))
    assert carried(*late)["reasoning_details"] == [thought("late")]


def test_thinking_that_goes_on_after_text_is_one_again() -> None:
    sent = carried(details(thought("a")), text("x"), details(thought(signature="s")), text("y"), finish())
    assert sent["reasoning_details"] == [thought("a", signature="s")]
    assert sent["content"] == "x\ny"


def test_another_model_or_upstream_gets_nothing() -> None:
    assert "reasoning_details" not in carried(*STREAM, model="openai/gpt-5")
    assert carried(*STREAM, reasoning_details=False) == {"role": "assistant", "content": "I'll look."}
    reader = ChunkReader(ids())
    events = [event for chunk in STREAM for event in reader.feed(chunk)]
    assert not any(isinstance(event, ThinkingSignature) for event in events)


@pytest.mark.parametrize(
    ("by", "answers_as", "comes_back"),
    [
        ("openai/gpt-5", (), True),  # nobody else was to answer: another name for the same
        ("openai/gpt-5", (MODEL,), False),
        ("anthropic/claude-4.5-sonnet-20250929", (MODEL, "anthropic/claude-4.5-sonnet-20250929"), True),
        (MODEL, (MODEL,), True),
        (None, (MODEL,), True),
        (5, (MODEL,), True),
    ],
)
def test_what_a_stand_in_thought_is_not_handed_to_the_model_that_was_asked(
    by: object, answers_as: tuple[str, ...], comes_back: bool
) -> None:
    chunks = [{**chunk, "model": by} for chunk in STREAM]
    sent = carried(*chunks, answers_as=frozenset(answers_as))
    assert ("reasoning_details" in sent) is comes_back


def test_thinking_that_led_to_nothing_stays_here() -> None:
    assert carried(details(thought("hm")), finish()) == {"role": "assistant", "content": "(no content)"}


def sealed(value: object) -> str:
    return "anyclaude.1." + base64.b64encode(zlib.compress(orjson.dumps(value))).decode()


@pytest.mark.parametrize(
    "signature",
    [
        None,
        "",
        "EqQBCkYIBxgC",
        "anyclaude.1.",
        "anyclaude.1.!!!",
        "anyclaude.1.é",
        "anyclaude.1." + base64.b64encode(b"no zlib").decode(),
        sealed({"model": MODEL, "part": 0, "details": [thought("x" * 100)]})[:-8],
        sealed([1]),
        sealed({"model": [MODEL], "by": {}, "part": "?", "details": [thought("x")]}),
        "anyclaude.2." + sealed({}).removeprefix("anyclaude.1."),
        sealed({"model": MODEL, "part": 0, "details": "no list"}),
        sealed({"model": MODEL, "part": 0, "details": ["no object"]}),
        sealed({"model": MODEL, "part": 0, "details": [thought("x" * (4 * 1024 * 1024))]}),
    ],
)
def test_what_is_foreign_broken_or_too_large_is_ignored(signature: object) -> None:
    good = sealed({"model": MODEL, "part": 0, "details": [thought("good")]})
    assert Unsealing(MODEL).details([signature, good]) == [thought("good")]


def test_all_envelopes_of_a_conversation_have_one_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reasoning, "_LARGEST_SUM", 2500)
    envelopes = Unsealing(MODEL)
    large = sealed({"model": MODEL, "part": 0, "details": [thought("x" * 1000)]})
    assert [len(envelopes.details([large])) for _ in range(4)] == [1, 1, 0, 0]


def test_after_details_beyond_the_bound_there_is_no_envelope(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reasoning, "_LARGEST", 100)
    sealing = Sealing(MODEL)
    sealing.add([thought("x" * 200)])
    assert sealing.seal() is None
    sealing.add([thought("y")])
    assert sealing.seal() is None
