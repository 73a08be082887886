"""The battery of `--test-model` against servers: models that do well, never call, hang, are refused, and a real one."""

import asyncio
import json
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from anyclaude.backends.registry import open_router
from anyclaude.config.load import resolve
from anyclaude.config.model import ProfileChange, Settings
from anyclaude.config.profiles import NO_CHANGES
from anyclaude.config.upstreams import Backends, LMStudio
from anyclaude.diagnosis.battery import Found, as_tested, bench_for, run_battery
from anyclaude.diagnosis.exercises import EXERCISES, Exercise, Outcome
from anyclaude.diagnosis.tasks import ODD, ORDER, PLANTED, STATION
from anyclaude.errors import SetupError
from tests.support.children import ANYCLAUDE, bare_environment, child, run
from tests.support.llamacpp import llamacpp
from tests.support.openai_upstream import Asked, OpenAIUpstream
from tests.support.script import Calls, Refusal, Reply, Says, Together, Usage, Waits, calls, reply

Model = Callable[[Asked], Reply | Refusal]


class ModelUpstream(OpenAIUpstream):
    """A server with a model that answers each request by a function."""

    def __init__(self, model: Model, window: int = 262_144) -> None:
        super().__init__(context_window=window)
        self._answer = model

    async def _next_line(self, asked: Asked) -> Reply | Refusal:
        self.asked.append(asked)
        return self._answer(asked)


class Silent:
    """A watcher that keeps the names of what began."""

    def __init__(self) -> None:
        self.begun: list[str] = []

    def begins(self, exercise: Exercise, number: int, of: int) -> None:
        self.begun.append(exercise.name)

    def ends(self, outcome: Outcome, number: int, of: int) -> None: ...


def good(asked: Asked) -> Reply:
    """Does all that it is asked for."""
    if asked.messages[-1]["role"] == "tool":
        return reply(Says(f"Light rain, measured by {STATION}."))
    match asked.tool_names:
        case ["create_order"]:
            return reply(calls("create_order", **ORDER))
        case ["save_text"]:
            return reply(calls("save_text", text=ODD))
        case ["get_weather"]:
            return reply(Together((calls("get_weather", city="Oslo"), calls("get_weather", city="Lima"))))
        case [_, _]:
            return reply(calls("get_weather", city="Oslo"))
    return reply(Says(_words(asked)), usage=Usage(prompt=2000, cached=1900 if len(asked.messages) > 2 else 0))


def _words(asked: Asked) -> str:
    question = asked.texts("user")[-1]
    if "response_format" in asked.body:
        return json.dumps({"title": "Light", "pages": 212, "tags": ["sea", "towers"]})
    if "stop" in asked.body:
        return "one two three four "
    if PLANTED in question:
        return PLANTED
    return "PONG" if "PONG" in question else "January 31\nFebruary 28\nMarch 31"


def talker(asked: Asked) -> Reply:
    """Talks well, and never calls a tool."""
    return reply(Says("I would call a tool for that.")) if asked.tool_names else good(asked)


def hangs_in_a_call(asked: Asked) -> Reply:
    """Like a good one, but falls silent in the middle of an order."""
    if asked.tool_names == ["create_order"]:
        return reply(Calls("create_order", '{"customer": {'), Waits())
    return good(asked)


def lmstudio(url: str, home: Path, profiles: Mapping[str, ProfileChange] = NO_CHANGES) -> Settings:
    return Settings(home=home, backends=Backends(lmstudio=LMStudio(url=url)), profiles=profiles)


async def battery(settings: Settings, exercises: Sequence[Exercise] = EXERCISES, longest: int = 2000) -> Found:
    settings = as_tested(settings)
    router = open_router(settings)
    try:
        found = Found(await router.ready())
        bench = replace(bench_for(settings, found.model), longest=longest)
        watcher = Silent()
        await run_battery(router, bench, found, watcher, exercises)
    finally:
        await router.aclose()
    assert watcher.begun == [exercise.name for exercise in exercises]
    assert [outcome.exercise for outcome in found.outcomes] == list(exercises)
    return found


def statuses(found: Found) -> dict[str, str]:
    return {outcome.exercise.name: outcome.status for outcome in found.outcomes}


async def test_a_good_model(tmp_path: Path) -> None:
    async with ModelUpstream(good) as upstream:
        settings = lmstudio(upstream.url, tmp_path)
        found = await battery(settings)
    told = statuses(found)
    told.pop("streaming")  # how many reads a few bytes come in is the system's affair
    assert set(told.values()) == {"passed"}
    assert found.verdict(settings).word == "good"
    assert found.change(settings) == ProfileChange()
    assert "1900 tokens" in found.outcomes[9].judgement.evidence


async def test_a_model_that_never_calls_talks_only_and_that_is_learnt(tmp_path: Path) -> None:
    async with ModelUpstream(talker) as upstream:
        settings = lmstudio(upstream.url, tmp_path)
        found = await battery(settings)
    assert found.verdict(settings).word == "talk only"
    assert found.change(settings) == ProfileChange(tools=False)


async def test_what_the_settings_deny_is_tried_all_the_same(tmp_path: Path) -> None:
    async with ModelUpstream(good) as upstream:
        settings = lmstudio(upstream.url, tmp_path, {"scripted-*": ProfileChange(tools=False)})
        found = await battery(settings)
    assert found.verdict(settings).word == "good"
    assert found.change(settings) == ProfileChange(tools=True)


async def test_a_model_that_hangs_ends_one_exercise(tmp_path: Path) -> None:
    exercises = [replace(each, deadline=0.3 if each.name == "nested arguments" else 60.0) for each in EXERCISES]
    async with ModelUpstream(hangs_in_a_call) as upstream:
        settings = lmstudio(upstream.url, tmp_path)
        found = await battery(settings, exercises)
        for hung in (asked for asked in upstream.asked if asked.tool_names == ["create_order"]):
            await hung.left.wait()
    told = statuses(found)
    told.pop("streaming")
    assert [name for name, status in told.items() if status != "passed"] == ["nested arguments"]
    assert "not ready within 0 s" in found.outcomes[4].judgement.evidence
    assert found.verdict(settings).word == "usable"


async def test_a_refused_key_ends_the_battery(tmp_path: Path) -> None:
    async with ModelUpstream(lambda asked: Refusal(401, "no such key")) as upstream:
        settings = lmstudio(upstream.url, tmp_path)
        found = await battery(settings)
        assert len(upstream.asked) == 1
    assert [outcome.status for outcome in found.outcomes] == ["failed", *["skipped"] * (len(EXERCISES) - 1)]
    assert found.verdict(settings).word == "not usable"
    assert found.change(settings) == ProfileChange()


async def test_a_refused_parameter_is_learnt(tmp_path: Path) -> None:
    def refusing(asked: Asked) -> Reply | Refusal:
        if "response_format" in asked.body:
            return Refusal(400, "Unsupported parameter: 'response_format' is not supported with this model")
        return good(asked)

    async with ModelUpstream(refusing) as upstream:
        settings = lmstudio(upstream.url, tmp_path)
        found = await battery(settings)
    assert found.change(settings) == ProfileChange(response_format=False)


async def test_a_window_that_is_too_small_is_the_first_reason(tmp_path: Path) -> None:
    async with ModelUpstream(good, window=1000) as upstream:
        settings = lmstudio(upstream.url, tmp_path)
        found = await battery(settings)
    result = found.verdict(settings)
    assert (result.word, statuses(found)["long prompt"]) == ("not usable", "skipped")
    assert "a window of 1000 tokens" in result.reasons[0]


def test_claude_needs_a_key_of_its_own_and_a_name() -> None:
    with pytest.raises(SetupError, match="ANTHROPIC_API_KEY and --model"):
        as_tested(Settings(mode="claude"))


async def test_the_command_tests_saves_and_the_next_launch_knows(tmp_path: Path) -> None:
    async with ModelUpstream(talker) as upstream:
        environ = bare_environment(tmp_path, LMSTUDIO_URL=upstream.url)
        ended = await run([*ANYCLAUDE, "--test-model", "--json", "--save"], environ, tmp_path, 60)
    told = json.loads(ended.stdout)
    assert (ended.exit_code, told["verdict"], told["complete"]) == (1, "talk only", True)
    assert [each["name"] for each in told["exercises"]] == [exercise.name for exercise in EXERCISES]
    assert told["profile"] == {"tools": False}
    assert "saved in" in ended.stderr
    settings = resolve({}, {}, tmp_path / "none", tmp_path).settings
    assert settings.profiles == {"scripted-model": ProfileChange(tools=False)}


async def test_without_a_terminal_nothing_is_saved_unasked(tmp_path: Path) -> None:
    async with ModelUpstream(talker) as upstream:
        environ = bare_environment(tmp_path, LMSTUDIO_URL=upstream.url)
        ended = await run([*ANYCLAUDE, "--test-model"], environ, tmp_path, 60)
    assert ended.exit_code == 1
    assert "talk only for Claude Code" in ended.stdout
    assert "not saved" in ended.stderr
    assert not (tmp_path / ".anyclaude" / "profiles.json").exists()


async def test_nobody_there_is_a_machine_that_is_not_ready(tmp_path: Path) -> None:
    async with OpenAIUpstream() as upstream:
        url = upstream.url
    ended = await run(
        [*ANYCLAUDE, "--test-model", "--json"], bare_environment(tmp_path, LMSTUDIO_URL=url), tmp_path, 60
    )
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert "nothing answers" in ended.stderr


async def test_an_interruption_shows_what_was_found(tmp_path: Path) -> None:
    hung = asyncio.Event()

    def hangs(asked: Asked) -> Reply:
        if asked.tool_names == ["create_order"]:
            hung.set()
        return hangs_in_a_call(asked)

    async with ModelUpstream(hangs) as upstream:
        environ = bare_environment(tmp_path, LMSTUDIO_URL=upstream.url)
        async with child([*ANYCLAUDE, "--test-model", "--json", "--save"], environ, tmp_path) as started:
            await hung.wait()
            started.send_signal(signal.SIGINT)
            out, err = await started.communicate()
    told = json.loads(out)
    assert (started.returncode, told["complete"]) == (130, False)
    assert [each["name"] for each in told["exercises"]] == [exercise.name for exercise in EXERCISES[:4]]
    assert b"interrupted after 4 of 11 exercises; nothing is saved" in err


async def test_a_real_server_with_a_real_small_model(tmp_path: Path) -> None:
    short = [replace(each, deadline=7.0) for each in EXERCISES]
    async with llamacpp(tmp_path, 2048) as url:
        settings = lmstudio(url, tmp_path)
        found = await battery(settings, short, longest=16)
    assert {outcome.status for outcome in found.outcomes} <= {"passed", "partly", "failed", "skipped"}
    assert all(outcome.judgement.evidence for outcome in found.outcomes)
    assert found.verdict(settings).word in ("good", "usable", "talk only", "not usable")
