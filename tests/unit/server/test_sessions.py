"""The last turn of a session, as it is told."""

from collections.abc import Mapping
from typing import Any

import pytest

from anyclaude.backends.status import BackendStatus
from anyclaude.server.counting import TOKENS, CountingRecording
from anyclaude.server.figures import Figures
from anyclaude.server.sessions import LONGEST_ID, MOST, Sessions, Turn
from anyclaude.server.status import session_report
from anyclaude.trace.record import NoRecording, Recorder
from anyclaude.trace.redact import Redactor

TOOL = {"name": "Bash", "input_schema": {"type": "object"}}
MAIN = {"model": "asked", "stream": True, "tools": [TOOL]}


class Played:
    """Requests of one proxy whose clock moves when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0
        self.figures = Figures(Redactor([]), lambda: self.now)
        self._recording = CountingRecording(NoRecording(), self.figures)

    def begin(self, body: Mapping[str, Any] = MAIN, **headers: str) -> Recorder:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._recording.begin("r", "/v1/messages", {"X-Claude-Code-Session-Id": "s", **named}, body)

    def told(self, session: str = "s") -> dict[str, Any]:
        return session_report(self.figures.sessions.of(session), [BackendStatus("lmstudio", "main")])


@pytest.fixture
def played() -> Played:
    return Played()


def usage(recorder: Recorder, prompt: int, cached: int | None, output: int, cost: float | None = None) -> None:
    recorder.note("usage", prompt_tokens=prompt, cached_tokens=cached, output_tokens=output, cost=cost)


def test_before_the_first_turn_the_main_model_is_told(played: Played) -> None:
    assert played.told() == {"backend": "lmstudio", "model": "main", "turns": 0, "cost": None, "last": None}


def test_a_turn_with_its_model_its_tokens_and_its_speed(played: Played) -> None:
    one = played.begin()
    one.note("route", to="lmstudio:qwen", reason="main")
    one.note("queue", seconds=2.0, others=1)
    one.note("model", name="qwen/qwen3", context_window=32768)
    played.now += 5.0
    one.mark("first_event")
    one.feed([{}, {}])
    played.now += 4.0
    one.feed([{}])
    usage(one, prompt=1000, cached=900, output=160, cost=0.25)
    one.finish(200, "complete")
    assert played.told() == {
        "backend": "lmstudio",
        "model": "main",
        "turns": 1,
        "cost": 0.25,
        "last": {
            "backend": "lmstudio",
            "model": "qwen/qwen3",
            "context_window": 32768,
            "prompt_tokens": 1000,
            "cached_tokens": 900,
            "output_tokens": 160,
            "cost": 0.25,
            "first_event": 3.0,
            "streamed": 4.0,
            "tokens_per_second": 40.0,
        },
    }
    of = played.figures.of("lmstudio")
    assert (of.events, of.whole_events) == (3, 3)
    assert (of.prefill.tokens, of.prefill.seconds) == (100, 3.0)
    assert (of.decode.tokens, of.decode.seconds) == (160, 4.0)


def test_a_relayed_turn_goes_by_the_name_that_was_asked_for(played: Played) -> None:
    one = played.begin({**MAIN, "model": "claude-opus-4-8"})
    one.note("route", to="claude", reason="main")
    one.note(TOKENS, prompt_tokens=10, cached_tokens=9, output_tokens=2)
    one.finish(200, "complete")
    last = played.told()["last"]
    assert (last["backend"], last["model"], last["context_window"]) == ("claude", "claude-opus-4-8", None)
    assert last["tokens_per_second"] is None


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (MAIN, {"x_claude_code_agent_id": "a"}),
        ({**MAIN, "tools": []}, {}),
        ({**MAIN, "tools": [{"type": "web_search_20250305", "name": "web_search"}]}, {}),
    ],
)
def test_what_is_beside_the_conversation_only_costs(
    body: dict[str, Any], headers: dict[str, str], played: Played
) -> None:
    main = played.begin()
    usage(main, 1000, 0, 5, cost=0.5)
    main.finish(200, "complete")
    beside = played.begin(body, **headers)
    usage(beside, 7, 7, 7, cost=0.25)
    beside.finish(200, "complete")
    told = played.told()
    assert (told["turns"], told["cost"], told["last"]["prompt_tokens"]) == (1, 0.75, 1000)


@pytest.mark.parametrize(("status", "outcome"), [(502, "error"), (499, "left"), (200, "error")])
def test_only_whole_answers_are_turns(status: int, outcome: str, played: Played) -> None:
    one = played.begin()
    usage(one, 10, 0, 5)
    one.finish(status, outcome)
    assert played.told()["last"] is None


@pytest.mark.parametrize("cached", [None, 0, 5])
def test_nothing_cached_is_told_only_of_a_server_that_says_so(cached: int | None, played: Played) -> None:
    """Nor is the speed of its prompts, which nobody can know."""
    one = played.begin()
    one.note("route", to="lmstudio", reason="main")
    one.mark("first_event")
    usage(one, 10, cached, 1)
    one.finish(200, "complete")
    assert played.told()["last"]["cached_tokens"] == cached
    assert played.figures.of("lmstudio").prefill.tokens == (0 if cached is None else 10 - cached)


def test_the_sessions_used_last_are_kept_and_no_more() -> None:
    sessions = Sessions()
    for number in range(MOST):
        sessions.answered(str(number), Turn(), beside=False)
    sessions.answered("0", Turn(), beside=True)
    sessions.answered("new", Turn(), beside=False)
    sessions.answered("x" * (LONGEST_ID + 1), Turn(), beside=False)
    assert sessions.of("1") is None
    assert [sessions.of(name) is not None for name in ("0", "2", "new")] == [True] * 3
    assert sessions.of("x" * (LONGEST_ID + 1)) is None


@pytest.mark.parametrize(("seconds", "output"), [(None, 5), (0.01, 5), (2.0, 0)])
def test_a_speed_that_cannot_be_told(seconds: float | None, output: int) -> None:
    assert Turn(output_tokens=output, streamed=seconds).tokens_per_second is None
