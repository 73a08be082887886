"""Which model answers which request, and who is asked when it does not."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from anyclaude.backends.base import Caller
from anyclaude.backends.router import Router
from anyclaude.backends.scripted import ScriptedBackend
from anyclaude.config.routes import Routes, Target
from anyclaude.errors import AnyclaudeError, InvalidRequest, Overloaded, SetupError, UpstreamBroken, UpstreamUnreachable
from anyclaude.wire.events import Failed, Finished, TextDelta, UsageReport

MAIN = Target("lmstudio")
SMALL = Target("lmstudio", "small")
CLOUD = Target("openrouter", "big")
ASK: Mapping[str, Any] = {"model": "m", "max_tokens": 8, "messages": [{"role": "user", "content": "Hi"}]}
TITLE = {**ASK, "tools": [], "output_config": {"format": {"type": "json_schema"}}}
ALONE = Routes(MAIN)
CLASSIFIED = {key: value for key, value in ASK.items() if key != "tools"} | {"stop_sequences": ["</block>"]}
ROUTES = Routes(MAIN, opus=CLOUD, haiku=SMALL, subagent=SMALL, background=SMALL)


class _Journal:
    def __init__(self) -> None:
        self.notes: list[tuple[str, dict[str, Any]]] = []

    def note(self, kind: str, **facts: Any) -> None:
        self.notes.append((kind, facts))

    def sent(self, body: Mapping[str, Any] | bytes) -> None: ...
    def mark(self, moment: str) -> None: ...


def router(near: ScriptedBackend, far: ScriptedBackend, routes: Routes = ALONE, **fallbacks: Any) -> Router:
    return Router({"lmstudio": near, "openrouter": far}, routes, **fallbacks)


@pytest.mark.parametrize(
    ("request_", "caller", "target", "reason"),
    [
        (ASK, Caller(), MAIN, "main"),
        ({**ASK, "model": "claude-sonnet-5"}, Caller(), MAIN, "main"),
        ({**ASK, "model": "claude-opus-4-8"}, Caller(), CLOUD, "opus"),
        ({**ASK, "model": "claude-haiku-4-5-20251001"}, Caller(), SMALL, "haiku"),
        ({**ASK, "model": "openrouter:big"}, Caller(), CLOUD, "named"),
        ({**ASK, "model": "anthropic/openrouter:x/y:free"}, Caller(), Target("openrouter", "x/y:free"), "named"),
        ({**ASK, "model": "claude:claude-opus-4-8"}, Caller(), MAIN, "main"),  # a backend that is not open
        ({**ASK, "model": "claude-opus-4-8"}, Caller("s", "agent"), SMALL, "subagent"),
        (TITLE, Caller(), SMALL, "background"),
        (CLASSIFIED, Caller(), MAIN, "main"),  # not a lesser model's to decide
        ({**TITLE, "thinking": {"type": "adaptive"}}, Caller(), MAIN, "main"),
        ({**TITLE, "stop_sequences": ["</block>"]}, Caller(), MAIN, "main"),
        ({**ASK, "model": 7}, Caller(), MAIN, "main"),
    ],
)
def test_where_a_request_goes(request_: dict[str, Any], caller: Caller, target: Target, reason: str) -> None:
    plan = router(ScriptedBackend(), ScriptedBackend(), ROUTES).plan(request_, caller)
    assert (plan.candidates, plan.reason) == ((target,), reason)


async def answer(asked: Router, journal: _Journal | None = None, request: Mapping[str, Any] = ASK) -> list[Any]:
    caller = Caller(journal=journal) if journal else Caller()
    async with asked.stream(request, caller) as batches:
        return [event async for batch in batches for event in batch]


def with_fallback(near: ScriptedBackend, far: ScriptedBackend) -> Router:
    return router(near, far, fallbacks={MAIN: [CLOUD]})


@pytest.mark.parametrize(
    "near",
    [
        ScriptedBackend(refusal=UpstreamUnreachable("nobody there")),
        ScriptedBackend([[], [Failed(Overloaded("busy"))]]),
        ScriptedBackend([[UsageReport(5, 0, 0), Failed(UpstreamBroken("crashed"))]]),
        ScriptedBackend([]),
    ],
    ids=["refused", "failed in the stream", "failed with usage", "ended before it began"],
)
async def test_somebody_else_answers(near: ScriptedBackend) -> None:
    far, journal = ScriptedBackend(), _Journal()
    events = await answer(with_fallback(near, far), journal)
    assert events[0] == TextDelta("Hello")
    assert (far.models_asked, near.left.is_set() or bool(near.refusal)) == (["big"], True)
    kinds = [kind for kind, _ in journal.notes]
    assert kinds == ["route", "fallback", "route"]
    assert journal.notes[-1][1] == {"to": "openrouter:big", "reason": "lmstudio did not answer"}


async def test_nobody_else_is_asked_once_content_is_there() -> None:
    near, far = ScriptedBackend([[TextDelta("so")], [Failed(UpstreamBroken("crashed"))]]), ScriptedBackend()
    events = await answer(with_fallback(near, far))
    assert isinstance(events[-1], Failed)
    assert not far.requests


async def test_nobody_else_is_asked_about_a_wrong_request() -> None:
    far = ScriptedBackend()
    with pytest.raises(InvalidRequest):
        await answer(with_fallback(ScriptedBackend(refusal=InvalidRequest("wrong")), far))
    assert not far.requests


async def test_one_that_failed_is_not_the_first_to_be_asked_again() -> None:
    near, far = ScriptedBackend(refusal=Overloaded("busy")), ScriptedBackend()
    asked = with_fallback(near, far)
    await answer(asked)
    await answer(asked)
    assert (len(near.requests), len(far.requests)) == (1, 2)


async def test_when_nobody_answers_the_last_error_counts_and_repeats_end() -> None:
    near, far = ScriptedBackend(refusal=Overloaded("near")), ScriptedBackend(refusal=Overloaded("far"))
    asked = with_fallback(near, far)
    errors: list[AnyclaudeError] = []
    for _ in range(24):
        far.refusal, near.refusal = Overloaded("far"), Overloaded("near")
        with pytest.raises(Overloaded) as raised:
            await answer(asked)
        errors.append(raised.value)
    assert "x-should-retry" not in errors[0].headers
    assert errors[-1].headers["x-should-retry"] == "false"


async def test_models_are_named_with_their_backend_the_main_one_first() -> None:
    near, far = ScriptedBackend(), ScriptedBackend()
    assert [model.id for model in await router(near, far).models()] == [
        "lmstudio:scripted-model",
        "openrouter:scripted-model",
    ]


async def test_an_answer_passes_through_unchanged() -> None:
    assert await answer(router(ScriptedBackend(), ScriptedBackend())) == [
        TextDelta("Hello"),
        TextDelta(" there"),
        UsageReport(12, 4, 2),
        Finished("end_turn"),
    ]


async def test_a_launch_begins_with_a_fallback_when_the_main_model_is_away() -> None:
    near = ScriptedBackend(refusal=SetupError("nothing answers there; start it"))
    both = router(near, ScriptedBackend(), fallbacks={MAIN: (CLOUD,)})
    model = await both.first_ready()
    assert model.note == "openrouter:big answers until lmstudio does: nothing answers there; start it"


async def test_a_launch_without_anybody_says_what_the_main_model_needs() -> None:
    away = ScriptedBackend(refusal=SetupError("nothing answers there"))
    with pytest.raises(SetupError, match="nothing answers there"):
        await router(away, away, fallbacks={MAIN: (CLOUD,)}).first_ready()


async def test_the_classifier_goes_elsewhere_only_where_that_is_said() -> None:
    routes = replace(ROUTES, classifier=CLOUD)
    plan = router(ScriptedBackend(), ScriptedBackend(), routes).plan(CLASSIFIED, Caller())
    assert (plan.candidates[0], plan.reason) == (CLOUD, "classifier")
    with_tools = {**CLASSIFIED, "tools": [{"name": "Bash"}]}
    assert router(ScriptedBackend(), ScriptedBackend(), routes).plan(with_tools, Caller()).reason == "main"
